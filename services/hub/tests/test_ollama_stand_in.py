"""The stand-in for Ollama is held to recordings of two real servers: same status, content type, keys and end."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import httpx
import pytest
from hub_parts.fake_ollama import FakeOllama
from hub_parts.ollamas import Ollama

RECORDINGS = json.loads(Path(__file__).with_name("ollama_recordings.json").read_text())
EXCHANGES = [
    pytest.param(version, exchange, id=f"{version} {exchange['name']}")
    for version, exchanges in RECORDINGS.items()
    for exchange in exchanges
]
OPAQUE = {"model_info", "tensors", "context"}  # what these hold depends on the model, not on the protocol
UPLOADED = b"x" * 715

pytestmark = pytest.mark.slow


def shape(value: Any) -> Any:
    """The keys, at every depth; of a list, the different shapes in it."""
    if isinstance(value, dict):
        return {key: None if key in OPAQUE else shape(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return sorted({json.dumps(shape(inner), sort_keys=True) for inner in value})
    return None


def ends(body: str) -> Any:
    """The shape of the last line, and for a creation whether it is a success or which error."""
    lines = [json.loads(line) for line in body.splitlines() if line]
    return (shape(lines[-1]), lines[-1].get("status")) if lines else None


def prepared(fake: FakeOllama, exchange: dict[str, Any]) -> tuple[str, bytes]:
    """The state that the recorded server was in; the path and the body to send."""
    asked, name = exchange["request"], exchange["name"]
    ollama = Ollama(fake.url)
    ollama.add("tiny-st")
    ollama.create("tiny-copy", **{"from": "tiny-st"})
    ollama.create(
        "tiny-fs",
        **{
            "from": "tiny-st",
            "system": "You draw ER diagrams.",
            "messages": [{"role": "user", "content": "a"}],
        },
    )
    ollama.add("tiny-gguf", template="{{ .Prompt }}", parameters={})
    fake._path(f"sha256:{hashlib.sha256(b'no gguf').hexdigest()}").write_bytes(b"no gguf")
    path, body = asked["path"], asked["body"]
    if name in ("blob upload", "blob upload again", "blob head present"):
        path = f"/api/blobs/sha256:{hashlib.sha256(UPLOADED).hexdigest()}"
        if name != "blob upload":
            httpx.post(fake.url + path, content=UPLOADED)
        return path, b"" if body is None else UPLOADED
    if name.startswith("create from a"):
        content = b"no gguf" if "no gguf" in name else None
        digest = hashlib.sha256(content).hexdigest() if content else fake.models["tiny-st:latest"].digest[7:]
        body = {**body, "files": {"a.gguf": f"sha256:{digest}"}}
    return path, json.dumps(body).encode() if isinstance(body, dict) else b"hello"


@pytest.mark.parametrize(("version", "exchange"), EXCHANGES)
def test_the_stand_in_answers_as_the_real_one_did(
    fake_ollama: FakeOllama, version: str, exchange: dict[str, Any]
) -> None:
    fake_ollama.newer = version == "0.24.0"
    path, content = prepared(fake_ollama, exchange)
    answer = httpx.request(exchange["request"]["method"], fake_ollama.url + path, content=content)
    expected = exchange["response"]
    assert answer.status_code == expected["status"]
    assert answer.headers.get("content-type") == expected["content_type"]
    assert ends(answer.text) == ends(expected["body"])
