"""A real llama-server with a tiny model, on a port of loopback, in a process of its own: native code may abort."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def serving_llama(gguf: Path, key: str, context_tokens: int, *, embedding: bool = False) -> Iterator[str]:
    """Its base URL, up to ``/v1``."""
    options = {"path": str(gguf), "key": key, "context_tokens": context_tokens, "embedding": embedding}
    command = [sys.executable, __file__, json.dumps(options)]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        try:
            yield f"{process.stdout.readline().strip()}/v1"
        finally:
            process.stdin.close()
            process.wait(timeout=30)


def main(path: str, key: str, context_tokens: int, embedding: bool) -> None:
    import xllamacpp  # noqa: PLC0415 (who only starts this process need not load it)

    params = xllamacpp.CommonParams()
    params.model.path = path
    params.n_ctx = context_tokens
    params.n_parallel = 1
    params.cpuparams.n_threads = params.cpuparams_batch.n_threads = 1
    params.warmup = params.fit_params = params.ui = False
    params.hostnames, params.port = ["127.0.0.1"], 0
    params.api_keys = [key]
    params.embedding = embedding
    if embedding:
        params.pooling_type = xllamacpp.llama_pooling_type.LLAMA_POOLING_TYPE_MEAN
    server = xllamacpp.Server(params)
    sys.stdout.write(f"{server.listening_address}\n")
    sys.stdout.flush()
    sys.stdin.read()
    os._exit(0)


if __name__ == "__main__":
    main(**json.loads(sys.argv[1]))
