"""An Ollama for the hub's tests: a real server where there is one, and the stand-in."""

from __future__ import annotations

import hashlib
import os
import shutil
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

from hub_parts.starter import STARTER

CHATML = (
    "{{ range .Messages }}<|im_start|>{{ .Role }}\n{{ .Content }}<|im_end|>\n{{ end }}<|im_start|>assistant\n"
)


@dataclass(frozen=True)
class Ollama:
    """What tests ask any server, by HTTP alone."""

    url: str

    def add(self, name: str, **more: Any) -> None:
        """The starter, under this name; it runs on one thread, as threads on a busy machine wait for each other."""
        content = STARTER.read_bytes()
        digest = f"sha256:{hashlib.sha256(content).hexdigest()}"
        self._ask("POST", f"/api/blobs/{digest}", content=content)
        wanted: dict[str, Any] = {
            "files": {"starter.gguf": digest},
            "template": CHATML,
            "parameters": {"stop": ["<|im_end|>"], "num_thread": 1},
        }
        self.create(name, **(wanted | more))

    def create(self, name: str, **more: Any) -> None:
        answer = self._ask("POST", "/api/create", json={"model": name, "stream": False, **more})
        assert answer.json() == {"status": "success"}, answer.text

    def show(self, name: str) -> dict[str, Any] | None:
        answer = httpx.post(f"{self.url}/api/show", json={"model": name}, timeout=60, trust_env=False)
        if answer.status_code == 404:
            return None
        shown: dict[str, Any] = answer.raise_for_status().json()
        return shown

    def chat(self, name: str, *messages: dict[str, str]) -> dict[str, Any]:
        body = {
            "model": name, "messages": messages, "stream": False, "options": {"temperature": 0, "num_predict": 100},
        }  # fmt: skip
        told: dict[str, Any] = self._ask("POST", "/api/chat", json=body).json()
        return told

    def remove(self, name: str) -> None:
        httpx.request("DELETE", f"{self.url}/api/delete", json={"model": name}, timeout=60, trust_env=False)

    def _ask(self, method: str, path: str, **more: Any) -> httpx.Response:
        answer = httpx.request(method, self.url + path, timeout=120, trust_env=False, **more)
        return answer.raise_for_status()


def program() -> str | None:
    """``ollama`` on the path, or where Go puts what it builds."""
    return shutil.which("ollama") or shutil.which("ollama", path=str(Path.home() / "go" / "bin"))


@contextmanager
def started(folder: Path) -> Iterator[Ollama]:
    """A server of our own, with its models below ``folder``."""
    ollama = program()
    assert ollama is not None
    with socket.create_server(("127.0.0.1", 0)) as unused:
        address = f"127.0.0.1:{unused.getsockname()[1]}"
    environment = {
        **os.environ, "OLLAMA_HOST": address, "OLLAMA_MODELS": str(folder / "models"), "HOME": str(folder),
        "OLLAMA_NUM_PARALLEL": "1",
    }  # fmt: skip
    with (folder / "log").open("wb") as output:
        server = subprocess.Popen([ollama, "serve"], env=environment, stdout=output, stderr=output)
    try:
        transport = httpx.HTTPTransport(retries=8)  # it doubles the pause from 0.5 s on
        with httpx.Client(transport=transport, timeout=10) as client:
            client.get(f"http://{address}/api/version").raise_for_status()
        yield Ollama(f"http://{address}")
    finally:
        server.terminate()
        server.wait(timeout=20)
