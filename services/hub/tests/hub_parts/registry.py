"""A registry that speaks Ollama's pull protocol over a real socket, with its troubles on demand."""

from __future__ import annotations

import hashlib
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

_MEDIA = "application/vnd.ollama.image."


@dataclass
class Registry:
    """``manifests`` by ``library/name:tag``, ``blobs`` by digest. ``trouble``: ``wrong_bytes`` or ``broken``."""

    host: str = ""
    manifests: dict[str, bytes] = field(default_factory=dict)
    blobs: dict[str, bytes] = field(default_factory=dict)
    trouble: str = ""
    sent_bytes: int = 0

    def add(self, name: str, weights: Path, template: str, parameters: dict[str, Any]) -> str:
        """What to call it to Ollama."""
        layers = [
            self._layer("model", weights.read_bytes()),
            self._layer("template", template.encode()),
            self._layer("params", json.dumps(parameters).encode()),
        ]
        config = {
            "model_format": "gguf", "model_family": "llama", "model_families": ["llama"], "model_type": "1M",
            "file_type": "F32", "architecture": "amd64", "os": "linux",
            "rootfs": {"type": "layers", "diff_ids": [layer["digest"] for layer in layers]},
        }  # fmt: skip
        media = "application/vnd.docker.container.image.v1+json"
        manifest = {
            "schemaVersion": 2,
            "mediaType": "application/vnd.docker.distribution.manifest.v2+json",
            "config": {**self._layer("", json.dumps(config).encode()), "mediaType": media},
            "layers": layers,
        }
        self.manifests[f"library/{name}"] = json.dumps(manifest).encode()
        return f"{self.host}/library/{name}"

    def _layer(self, kind: str, content: bytes) -> dict[str, Any]:
        digest = f"sha256:{hashlib.sha256(content).hexdigest()}"
        self.blobs[digest] = content
        return {"mediaType": _MEDIA + kind, "digest": digest, "size": len(content)}


@contextmanager
def serving(registry: Registry) -> Iterator[Registry]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(registry))
    registry.host = f"127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield registry
    server.shutdown()
    server.server_close()
    thread.join(timeout=20)


def _handler(registry: Registry) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_HEAD(self) -> None:
            self._answer(with_body=False)

        def do_GET(self) -> None:
            self._answer(with_body=True)

        def _answer(self, with_body: bool) -> None:
            reference = self.path.rpartition("/")[2]
            if "/manifests/" in self.path:
                name = self.path.removeprefix("/v2/").removesuffix(f"/manifests/{reference}")
                content = registry.manifests.get(f"{name}:{reference}")
            else:
                content = registry.blobs.get(reference)
            if content is None or registry.trouble == "broken":
                self.send_error(404 if content is None else 500)
            elif with_body and self.path.startswith("/v2/") and "/blobs/" in self.path:
                # The real one keeps blobs on another host, and Ollama insists on that.
                self.send_response(307)
                self.send_header(
                    "Location", f"http://localhost:{registry.host.rpartition(':')[2]}/blob/{reference}"
                )
                self.send_header("Content-Length", "0")
                self.end_headers()
            else:
                if "/blob" in self.path and registry.trouble == "wrong_bytes":
                    content = bytes(len(content))
                self._send(content, with_body)

        def _send(self, content: bytes, with_body: bool) -> None:
            status = 200
            if wanted := self.headers.get("Range"):
                first, _, last = wanted.removeprefix("bytes=").partition("-")
                content, status = content[int(first) : int(last) + 1], 206
            self.send_response(status)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            if with_body:
                registry.sent_bytes += len(content)
                self.wfile.write(content)

        def log_message(self, *_: object) -> None:
            return

    return Handler
