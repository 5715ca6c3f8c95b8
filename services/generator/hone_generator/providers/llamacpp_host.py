"""A process that holds one GGUF model in llama.cpp and answers on stdin and stdout, one JSON document a line.

    python -m hone_generator.providers.llamacpp_host '{"path", "context_tokens", "threads"}'

It says {"id": 0, "ready": true} or {"id": 0, "error"} once. Then {"id", "generate": BODY}, where BODY is that of an
OpenAI chat completion, is answered by {"id", "text"}… and at last {"id", "finish", "usage", "timings"}, {"id",
"cancelled": true} or {"id", "error"}. {"cancel": ID} stops a generation. With "embeds": true among the options it
answers {"id", "embed": TEXT} instead, by {"id", "vector"} or {"id", "error"}. It ends when its stdin closes.

Native code may abort on a hostile file, and keeps the memory it once had: both are for this process alone.
"""

import json
import os
import resource
import signal
import sys
import tempfile
import threading
from pathlib import Path
from typing import Any

import xllamacpp

_ERRORS_ONLY = 1  # llama.cpp's verbosity


class Answers:
    """The stream of answers. llama.cpp's own output, on whatever descriptor, goes to stderr instead."""

    def __init__(self) -> None:
        self._file = os.fdopen(os.dup(1), "wb", buffering=0)
        self._lock = threading.Lock()
        os.dup2(2, 1)

    def write(self, document: dict[str, Any]) -> None:
        line = json.dumps(document, separators=(",", ":")).encode() + b"\n"
        try:
            with self._lock:
                self._file.write(line)
        except OSError:
            os._exit(0)  # nobody is left to answer


class Generation:
    """One answer in the making."""

    def __init__(self, request_id: int, body: dict[str, Any], answers: Answers) -> None:
        self.cancelled = threading.Event()
        self._id = request_id
        self._body = {**body, "stream": True, "stream_options": {"include_usage": True}}
        self._answers = answers
        self._last: dict[str, Any] = {"finish": None}

    def run(self, server: Any) -> None:
        try:
            server.handle_chat_completions(self._body, self._on_chunk)
        except Exception as error:  # noqa: BLE001 (whatever a binding raises is this request's answer)
            self._last = {"error": {"message": f"{type(error).__name__}: {error}"}}
        if self.cancelled.is_set():
            self._last = {"cancelled": True}
        self._answers.write({"id": self._id, **self._last})

    def _on_chunk(self, chunk: dict[str, Any]) -> bool:
        """Returns whether to stop."""
        if "error" in chunk:
            self._last = {"error": chunk["error"]}
            return True
        for choice in chunk.get("choices", ()):
            if text := choice["delta"].get("content"):
                self._answers.write({"id": self._id, "text": text})
            if choice.get("finish_reason"):
                self._last["finish"] = choice["finish_reason"]
        for key in ("usage", "timings"):
            if key in chunk:
                self._last[key] = chunk[key]
        return self.cancelled.is_set()


class Embedding:
    """One text in the making of its vector, which nothing stops."""

    def __init__(self, request_id: int, text: str, answers: Answers) -> None:
        self.cancelled = threading.Event()
        self._id, self._text, self._answers = request_id, text, answers

    def run(self, server: Any) -> None:
        try:
            answer = server.handle_embeddings({"input": self._text})
            told = (
                {"vector": answer["data"][0]["embedding"]} if "data" in answer else {"error": answer["error"]}
            )
        except Exception as error:  # noqa: BLE001 (whatever a binding raises is this request's answer)
            told = {"error": {"message": f"{type(error).__name__}: {error}"}}
        self._answers.write({"id": self._id, **told})


def parameters(path: str, context_tokens: int, threads: int, socket: str, embeds: bool) -> Any:
    params = xllamacpp.CommonParams()
    if embeds:
        params.embedding = True
        # A text is read at once or not at all.
        params.n_batch = params.n_ubatch = context_tokens
    params.model.path = path
    params.n_ctx = context_tokens
    params.n_parallel = 1
    params.cpuparams.n_threads = params.cpuparams_batch.n_threads = threads
    params.verbosity = _ERRORS_ONLY
    params.warmup = False  # a first answer is no slower for it with the models this is for
    params.fit_params = False
    params.cache_ram_mib = 0
    # The binding cannot leave out its HTTP server: it gets a socket that nobody can reach.
    params.hostnames = [socket]
    params.n_threads_http = 1
    params.ui = params.endpoint_slots = False
    return params


def load(path: str, context_tokens: int, threads: int, embeds: bool = False) -> Any:
    """The running server. Raises RuntimeError when llama.cpp refuses the file, and may abort the process."""
    with tempfile.TemporaryDirectory(prefix="hone-llamacpp-") as private:
        server = xllamacpp.Server(
            parameters(path, context_tokens, threads, str(Path(private) / "http.sock"), embeds)
        )
    # llama.cpp took these over, to end its loop and nothing else.
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    return server


def serve(server: Any, answers: Answers) -> None:
    """Until stdin closes. A generation runs in a thread of its own, so that it can be told to stop."""
    running: dict[int, Generation | Embedding] = {}
    for line in sys.stdin.buffer:
        document = json.loads(line)
        if "cancel" in document:
            if generation := running.get(document["cancel"]):
                generation.cancelled.set()
            continue
        work: Generation | Embedding
        if "embed" in document:
            work = Embedding(document["id"], document["embed"], answers)
        else:
            work = Generation(document["id"], document["generate"], answers)
        running = {document["id"]: work}  # the client sends the next one when this has ended
        threading.Thread(target=work.run, args=(server,), daemon=True).start()


def main() -> None:
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    answers = Answers()
    try:
        server = load(**json.loads(sys.argv[1]))
    except RuntimeError as error:
        answers.write({"id": 0, "error": str(error)})
        # Through llama.cpp's clean-up: it logs the cause in a thread of its own, and waits for that one here.
        sys.exit(1)
    answers.write({"id": 0, "ready": True})
    serve(server, answers)
    os._exit(0)  # not through llama.cpp's clean-up, which waits for a generation to end


if __name__ == "__main__":
    main()
