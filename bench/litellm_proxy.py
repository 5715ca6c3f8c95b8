"""LiteLLM's proxy, to be measured beside Hone: in an environment of its own, with a key and one model."""

import json
import os
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

VERSION = "1.106.0"
KEY = "sk-bench-0123456789"
_READY_LIMIT_S = 180


class NotInstalled(Exception):
    """LiteLLM is not here and could not be installed."""


def python() -> Path:
    """Its interpreter; the environment is made once, under the user's cache folder. Raises NotInstalled."""
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    folder = cache / "hone" / "bench" / f"litellm-{VERSION}"
    interpreter = folder / "bin" / "python"
    if (folder / "bin" / "litellm").exists():
        return interpreter
    print(f"installing litellm {VERSION} into {folder} (once, some minutes)", file=sys.stderr)
    for command in (
        [sys.executable, "-m", "venv", str(folder)],
        [str(interpreter), "-m", "pip", "install", "-q", f"litellm[proxy]=={VERSION}"],
    ):
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            raise NotInstalled(done.stderr.strip().rpartition("\n")[2][:300])
    return interpreter


@contextmanager
def up(upstream_port: int, workers: int) -> Iterator[tuple[int, int]]:
    """Gives its port and its pid."""
    interpreter, port = python(), _free_port()
    model = {
        "model_name": "instant",
        "litellm_params": {
            "model": "openai/instant",
            "api_base": f"http://127.0.0.1:{upstream_port}/v1",
            "api_key": "none",
        },
    }
    with tempfile.TemporaryDirectory(prefix="litellm-") as folder:
        config = Path(folder) / "config.yaml"
        config.write_text(json.dumps({"model_list": [model], "general_settings": {"master_key": KEY}}))
        log = (Path(folder) / "log").open("wb")
        environment = os.environ | {"LITELLM_LOCAL_MODEL_COST_MAP": "True", "LITELLM_LOG": "ERROR"}
        environment.pop("OPENAI_BASE_URL", None)
        command = [str(interpreter.with_name("litellm")), "--config", str(config), "--host", "127.0.0.1"]
        command += ["--port", str(port), "--num_workers", str(workers)]
        server = subprocess.Popen(command, stdout=log, stderr=log, env=environment, cwd=folder)
        try:
            _wait(server, port, Path(folder) / "log")
            yield port, server.pid
        finally:
            server.terminate()
            server.wait(30)


def _wait(server: subprocess.Popen[bytes], port: int, log: Path) -> None:
    deadline = time.monotonic() + _READY_LIMIT_S
    while True:
        try:
            urllib.request.urlopen(f"http://127.0.0.1:{port}/health/liveliness", timeout=2).close()
        except (urllib.error.URLError, OSError):
            if server.poll() is not None or time.monotonic() > deadline:
                raise SystemExit(f"LiteLLM did not start:\n{log.read_text()[-2000:]}") from None
            time.sleep(0.2)
        else:
            return


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
