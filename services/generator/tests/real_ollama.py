"""A real Ollama for the tests, where there is one: at ``OLLAMA_HOST``, or started from ``ollama`` on the PATH."""

import hashlib
import os
import shutil
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx

from hone_generator.providers.ollama_hosts import parse_host

TEMPLATE = (
    "{{ range .Messages }}<|im_start|>{{ .Role }}\n{{ .Content }}<|im_end|>\n{{ end }}<|im_start|>assistant\n"
)


def running() -> str | None:
    """The URL of the server that ``OLLAMA_HOST`` names, if it answers."""
    if not (host := os.environ.get("OLLAMA_HOST")):
        return None
    try:
        httpx.get(f"{parse_host(host)}/api/version", timeout=2, trust_env=False).raise_for_status()
    except httpx.HTTPError:
        return None
    return parse_host(host)


def is_here() -> bool:
    return running() is not None or shutil.which("ollama") is not None


@contextmanager
def serving(folder: Path, model: str, gguf: Path) -> Iterator[str]:
    """The URL of a server that has ``model``, made from a file. A server that was there keeps nothing of it."""
    if url := running():
        with httpx.Client(base_url=url, timeout=60, trust_env=False) as client:
            _create(client, model, gguf)
            yield url
            client.request("DELETE", "/api/delete", json={"model": model}).raise_for_status()
        return
    with _started(folder) as url, httpx.Client(base_url=url, timeout=60, trust_env=False) as client:
        _create(client, model, gguf)
        yield url


@contextmanager
def _started(folder: Path) -> Iterator[str]:
    with socket.create_server(("127.0.0.1", 0)) as unused:
        address = f"127.0.0.1:{unused.getsockname()[1]}"
    environment = {
        **os.environ, "OLLAMA_HOST": address, "OLLAMA_MODELS": str(folder / "models"), "HOME": str(folder),
        "OLLAMA_NUM_PARALLEL": "1",
    }  # fmt: skip
    log = folder / "log"
    with log.open("wb") as output:
        server = subprocess.Popen(["ollama", "serve"], env=environment, stdout=output, stderr=output)
    try:
        transport = httpx.HTTPTransport(retries=8)  # it doubles the pause from 0.5 s on
        with httpx.Client(transport=transport, timeout=10) as client:
            client.get(f"http://{address}/api/version").raise_for_status()
        yield f"http://{address}"
    finally:
        server.terminate()
        server.wait(timeout=20)


def _create(client: httpx.Client, model: str, gguf: Path) -> None:
    content = gguf.read_bytes()
    digest = f"sha256:{hashlib.sha256(content).hexdigest()}"
    client.post(f"/api/blobs/{digest}", content=content).raise_for_status()
    wanted = {
        "model": model, "files": {"tiny.gguf": digest}, "template": TEMPLATE, "stream": False,
        # One thread: on a busy machine threads that wait for each other take a thousand times as long.
        "parameters": {"stop": ["<|im_end|>"], "num_thread": 1},
    }  # fmt: skip
    made = client.post("/api/create", json=wanted)
    assert made.status_code == 200, made.text
