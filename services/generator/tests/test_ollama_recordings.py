"""The stand-in for Ollama is held to recordings of two real servers: same status, content type, keys and lines."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from fake_ollama import FakeOllama, serving
from fake_ollama_model import FakeModel

RECORDINGS = json.loads(Path(__file__).with_name("ollama_recordings.json").read_text())
EXCHANGES = [
    pytest.param(exchange, id=f"{version} {exchange['name']}")
    for version, exchanges in RECORDINGS.items()
    for exchange in exchanges
]
# What these hold depends on the model, not on the protocol.
OPAQUE = {"model_info", "tensors"}


@pytest.fixture
def fake() -> Iterator[FakeOllama]:
    with serving(FakeOllama()) as fake:
        yield fake


def shape(value: Any) -> Any:
    """The keys, at every depth; of a list, the different shapes in it."""
    if isinstance(value, dict):
        return {key: None if key in OPAQUE else shape(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return sorted({json.dumps(shape(inner), sort_keys=True) for inner in value})
    return None


def shapes(content_type: str, body: str) -> list[Any]:
    if content_type == "text/plain":
        return [body]
    return [shape(json.loads(line)) for line in body.splitlines() if line]


def prepare(fake: FakeOllama, exchange: dict[str, Any]) -> None:
    """The state that the recorded server was in."""
    if exchange["request"]["path"] in {"/api/tags", "/api/ps"}:
        for model in json.loads(exchange["response"]["body"])["models"]:
            fake.add(FakeModel(model["name"]))
            fake.loaded[model["name"]] = model.get("context_length", 4096)
        return
    few_shot = FakeModel(
        "tiny-fs", context_length=512, system="You draw ER diagrams.", parameters="num_ctx 512"
    )
    few_shot.messages = ({"role": "user", "content": "books"}, {"role": "assistant", "content": "erDiagram"})
    fake.add(few_shot, "tiny-gguf", "tiny-st")


@pytest.mark.parametrize("exchange", EXCHANGES)
async def test_the_stand_in_answers_as_the_real_one_did(fake: FakeOllama, exchange: dict[str, Any]) -> None:
    prepare(fake, exchange)
    asked, expected = exchange["request"], exchange["response"]
    content = b"{not json!" if isinstance(asked["body"], str) else json.dumps(asked["body"]).encode()
    async with httpx.AsyncClient(base_url=fake.url, trust_env=False) as client:
        answer = await client.request(asked["method"], asked["path"], content=content)

    assert answer.status_code == expected["status"]
    assert answer.headers["content-type"] == expected["content_type"]
    found, wanted = (shapes(expected["content_type"], text) for text in (answer.text, expected["body"]))
    if asked["path"] == "/api/tags":
        found, wanted = ([listing.keys() for listing in side] for side in (found, wanted))
    assert found == wanted
