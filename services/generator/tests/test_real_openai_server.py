"""OpenAI's protocol as a real server speaks it: llama-server, with a model that means nothing and says it at once."""

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from llama_server import serving_llama
from pydantic import SecretStr
from remote_cases import ASK, chunks, text_of
from tiny_llama import write_tiny_llama

from hone_contracts.models import ModelRef
from hone_generator.providers.base import ChatMessage, FinishReason, JsonSchema, Role
from hone_generator.providers.errors import ContextTooLong, NotAuthorised, RequestRefused
from hone_generator.providers.openai import OpenAIProvider, OpenAISettings

KEY = "key-of-llama-server"
SCHEMA = {
    "type": "object",
    "properties": {"name": {"type": "string", "maxLength": 3}, "kind": {"enum": ["a", "b"]}},
    "required": ["name", "kind"],
    "additionalProperties": False,
}


@pytest.fixture(scope="module")
def gguf(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("llama") / "tiny.gguf"
    write_tiny_llama(path)
    return path


@pytest.fixture(scope="module")
def url(gguf: Path) -> Iterator[str]:
    with serving_llama(gguf, KEY, 2048) as url:
        yield url


def asking(url: str, key: str = KEY) -> OpenAIProvider:
    return OpenAIProvider(OpenAISettings(url, SecretStr(key)))


async def test_it_answers_with_counts(url: str) -> None:
    provider = asking(url)
    said = await chunks(provider, "any", replace(ASK, max_tokens=8))
    await provider.aclose()
    assert text_of(said)
    assert said[-1].finish_reason is FinishReason.LENGTH
    usage = said[-1].usage
    assert usage is not None
    assert usage.completion_tokens == 8
    assert usage.prompt_tokens > 20


async def test_it_holds_its_model_to_a_schema_as_it_is(url: str) -> None:
    provider = asking(url)
    said = await chunks(provider, "any", replace(ASK, max_tokens=200, constraint=JsonSchema(SCHEMA)))
    await provider.aclose()
    answer = json.loads(text_of(said))
    assert said[-1].finish_reason is FinishReason.STOP
    assert answer.keys() == {"name", "kind"}
    assert len(answer["name"]) <= 3


async def test_a_schema_that_it_does_not_understand_is_told_in_words(url: str) -> None:
    provider = asking(url)
    said = await chunks(provider, "any", replace(ASK, constraint=JsonSchema({"type": "nonsense"})))
    assert said[-1].finish_reason is not None
    assert provider.capabilities.json_schema  # others it does
    await provider.aclose()


async def test_a_prompt_that_is_too_long_is_told_with_its_own_counts(url: str) -> None:
    provider = asking(url)
    request = replace(ASK, messages=(ChatMessage(Role.USER, "many words " * 1000),))
    with pytest.raises(ContextTooLong) as raised:
        await chunks(provider, "any", request)
    await provider.aclose()
    assert raised.value.prompt_tokens > raised.value.context_tokens == 2048


async def test_its_models_its_health_and_a_wrong_key(url: str, gguf: Path) -> None:
    provider, stranger = asking(url), asking(url, "another-key-altogether")
    (model,) = await provider.models()
    assert (model.ref.name, model.context_tokens) == (str(gguf), 2048)
    assert (await provider.health()).ok
    assert not (await stranger.health()).ok
    with pytest.raises(NotAuthorised, match="OPENAI_API_KEY"):
        await chunks(stranger, "any")
    with pytest.raises(RequestRefused, match="does not support embeddings"):
        await provider.embed(ModelRef("openai", "any"), ["a"])
    await provider.aclose()
    await stranger.aclose()


async def test_it_embeds_when_it_was_started_for_that(gguf: Path) -> None:
    with serving_llama(gguf, KEY, 512, embedding=True) as url:
        provider = asking(url)
        vectors = await provider.embed(ModelRef("openai", "any"), ["a loan", "a book", "a loan"])
        await provider.aclose()
    assert [len(vector) for vector in vectors] == [64, 64, 64]
    assert vectors[0] == pytest.approx(vectors[2], abs=1e-4)
    assert vectors[0] != pytest.approx(vectors[1], abs=1e-4)
