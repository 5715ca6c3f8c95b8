"""Ollama's models answer Hone: the same tests on a stand-in and, where one is found, on a real server."""

import json
from collections.abc import AsyncIterator, Iterator
from contextlib import aclosing
from dataclasses import replace

import fake_ollama
import httpx
import pytest
import real_ollama
from fake_ollama import FakeOllama
from fake_ollama_model import FakeModel
from running import until
from tiny_llama import write_tiny_llama

from hone_contracts.models import ModelRef
from hone_generator.providers.base import (
    ChatMessage,
    Chunk,
    FinishReason,
    Gbnf,
    GenerationRequest,
    JsonSchema,
    Provider,
    Role,
)
from hone_generator.providers.errors import ContextTooLong, ModelNotFound, RequestRefused
from hone_generator.providers.ollama import OllamaProvider
from hone_generator.providers.ollama_server import OllamaServer, OllamaSettings

MODEL = ModelRef("ollama", "hone-test-tiny")
ASK = GenerationRequest(
    (ChatMessage(Role.SYSTEM, "You read."), ChatMessage(Role.USER, "a member has loans")), 8
)
SCHEMA = JsonSchema(
    {
        "type": "object",
        "properties": {"count": {"type": "integer"}, "many": {"type": "boolean"}},
        "required": ["count", "many"],
    }
)


@pytest.fixture(scope="module", params=["fake", "real"] if real_ollama.is_here() else ["fake"])
def url(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    if request.param == "fake":
        with fake_ollama.serving(
            FakeOllama().add(FakeModel(MODEL.name, parameters='stop  "<|im_end|>"'))
        ) as fake:
            yield fake.url
        return
    folder = tmp_path_factory.mktemp("ollama")
    write_tiny_llama(folder / "tiny.gguf")
    with real_ollama.serving(folder, MODEL.name, folder / "tiny.gguf") as real:
        yield real


@pytest.fixture
async def provider(url: str) -> AsyncIterator[OllamaProvider]:
    provider = OllamaProvider([url], OllamaSettings(max_context_tokens=1024))
    yield provider
    await provider.aclose()


async def answer(provider: Provider, request: GenerationRequest, model: ModelRef = MODEL) -> list[Chunk]:
    return [chunk async for chunk in provider.generate(model, request)]


def text(chunks: list[Chunk]) -> str:
    return "".join(chunk.text for chunk in chunks)


async def test_an_answer_streams_and_its_last_chunk_tells_why_it_ended_and_what_it_cost(
    provider: OllamaProvider,
) -> None:
    chunks = await answer(provider, ASK)
    assert len(chunks) > 2
    assert text(chunks)
    assert [chunk.finish_reason for chunk in chunks[:-1]] == [None] * (len(chunks) - 1)
    assert chunks[-1].finish_reason is FinishReason.LENGTH
    usage = chunks[-1].usage
    assert usage is not None
    assert usage.completion_tokens == 8
    assert usage.prompt_tokens > 20


async def test_the_same_request_has_the_same_answer(provider: OllamaProvider) -> None:
    first = await answer(provider, ASK)
    assert text(first) == text(await answer(provider, ASK))


async def test_a_schema_holds_the_answer(provider: OllamaProvider) -> None:
    document = json.loads(text(await answer(provider, replace(ASK, constraint=SCHEMA, max_tokens=500))))
    assert isinstance(document["count"], int)
    assert isinstance(document["many"], bool)


async def test_an_answer_ends_where_a_stop_text_would_stand(provider: OllamaProvider) -> None:
    whole = text(await answer(provider, ASK))
    stop = whole[len(whole) // 2]
    chunks = await answer(provider, replace(ASK, stop=(stop,)))
    assert text(chunks) == whole[: whole.index(stop)]
    assert chunks[-1].finish_reason is FinishReason.STOP


async def test_a_grammar_and_an_empty_conversation_are_refused(provider: OllamaProvider) -> None:
    assert not provider.capabilities.grammar
    with pytest.raises(RequestRefused, match="JSON schema"):
        await answer(provider, replace(ASK, constraint=Gbnf('root ::= "a"')))
    with pytest.raises(RequestRefused, match="no message"):
        await answer(provider, GenerationRequest(()))


async def test_a_schema_that_is_none_is_refused_with_the_servers_reason(provider: OllamaProvider) -> None:
    with pytest.raises(RequestRefused, match="schema"):
        await answer(provider, replace(ASK, constraint=JsonSchema({"type": "nonsense"})))


async def test_a_prompt_that_does_not_fit_is_an_error_and_is_not_cut_in_silence(
    provider: OllamaProvider,
) -> None:
    long = replace(ASK, messages=(ChatMessage(Role.USER, "loans " * 400),))
    with pytest.raises(ContextTooLong) as refusal:
        await answer(provider, long)
    assert refusal.value.context_tokens == 1024
    assert refusal.value.prompt_tokens > 1024


async def test_an_unknown_model_says_in_one_line_how_to_get_it(provider: OllamaProvider, url: str) -> None:
    with pytest.raises(ModelNotFound) as missing:
        await answer(provider, ASK, ModelRef("ollama", "qwen2.5-coder:7b"))
    assert f"`OLLAMA_HOST={url} ollama pull qwen2.5-coder:7b`" in str(missing.value)
    assert "hone-test-tiny:latest" in str(missing.value)


async def test_models_are_listed_with_what_is_loaded(provider: OllamaProvider) -> None:
    await answer(provider, ASK)
    listed = {str(info.ref): info for info in await provider.models()}
    info = listed["ollama:hone-test-tiny:latest"]
    assert info.loaded
    assert info.size_bytes
    assert await answer(provider, ASK, info.ref)


async def test_health_tells_the_version(provider: OllamaProvider, url: str) -> None:
    health = await provider.health()
    assert health.ok
    assert health.detail.startswith(f"{url} runs Ollama ")


async def test_a_model_that_is_loaded_large_enough_is_not_loaded_anew(url: str) -> None:
    roomy = OllamaProvider([url], OllamaSettings(max_context_tokens=16_384))
    await answer(roomy, replace(ASK, max_tokens=8000, constraint=SCHEMA))
    await answer(roomy, ASK)
    async with httpx.AsyncClient(base_url=url, trust_env=False) as client:
        [loaded] = (await client.get("/api/ps")).json()["models"]
    assert loaded["context_length"] == 8192
    await roomy.aclose()


async def test_closing_an_answer_frees_the_model_for_the_next(provider: OllamaProvider) -> None:
    endless = replace(ASK, max_tokens=1_000_000)
    async with aclosing(provider.generate(MODEL, endless)) as chunks:
        await anext(chunks)
    assert await answer(provider, replace(ASK, timeout_s=20))


async def test_a_model_is_loaded_with_the_context_that_is_asked_for_and_leaves_when_it_is_told(
    url: str,
) -> None:
    server = OllamaServer(url, OllamaSettings())
    name = f"{MODEL.name}:latest"
    for context_tokens in (1024, 2048):
        await server.load(MODEL.name, context_tokens)
        [loaded] = [entry for entry in await server.loaded() if entry.name == name]
        assert loaded.context_tokens == context_tokens
        assert loaded.vram_bytes is not None
    await server.unload(MODEL.name)
    await until(server.loaded, lambda entries: name not in {entry.name for entry in entries})
    await server.unload(MODEL.name)  # again, which does nothing
    with pytest.raises(ModelNotFound):
        await server.load("no-such-model", 1024)
    await server.aclose()


async def test_a_model_tells_what_its_memory_is_predicted_from(url: str) -> None:
    server = OllamaServer(url, OllamaSettings())
    [entry] = [entry for entry in await server.present() if entry.name.startswith(MODEL.name)]
    known = await server.profile(str(MODEL), entry)
    assert known.context_tokens
    assert known.bytes_per_token == 1
    await server.aclose()


async def test_texts_become_vectors(provider: OllamaProvider) -> None:
    one, again, other = await provider.embed(MODEL, ["a member", "a member", "a loan of a book"])
    assert one == again != other
    assert len(one) == len(other)
    with pytest.raises(ContextTooLong):
        await provider.embed(MODEL, ["loans " * 400])
