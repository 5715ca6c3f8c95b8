"""Vectors of texts by llama.cpp itself, in a process of their own."""

import asyncio
import os
import signal
from collections.abc import AsyncIterator
from pathlib import Path

import gguf
import pytest
from running import until
from tiny_llama import write_tiny_llama

from hone_contracts.models import ModelRef
from hone_generator.providers.base import ChatMessage, GenerationRequest, Role
from hone_generator.providers.errors import (
    ContextTooLong,
    GenerationTimeout,
    ModelNotFound,
    ProviderUnavailable,
    RequestRefused,
)
from hone_generator.providers.llamacpp import LlamaCppProvider, LlamaCppSettings, ModelFile

EMBEDDER, PLAIN = ModelRef("llamacpp", "embedder"), ModelRef("llamacpp", "plain")


def provider_of(folder: Path, **settings: float) -> LlamaCppProvider:
    write_tiny_llama(folder / "embedder.gguf", pooling=gguf.PoolingType.MEAN)
    write_tiny_llama(folder / "plain.gguf")
    files = {name: ModelFile((folder / f"{name}.gguf").as_uri()) for name in ("embedder", "plain")}
    limits = LlamaCppSettings(folders=(folder,), threads=1, context_tokens=1024, **settings)  # type: ignore[arg-type]
    return LlamaCppProvider(files, limits)


@pytest.fixture
async def provider(tmp_path: Path) -> AsyncIterator[LlamaCppProvider]:
    provider = provider_of(tmp_path)
    yield provider
    await provider.aclose()


async def test_equal_texts_have_equal_vectors_and_others_have_others(provider: LlamaCppProvider) -> None:
    assert provider.capabilities.embeddings
    one, again, other = await provider.embed(EMBEDDER, ["a member", "a member", "a loan of a book"])
    assert one == again != other
    assert len(one) == len(other) == 64
    assert sum(value * value for value in one) == pytest.approx(1, rel=1e-3)
    assert await provider.embed(EMBEDDER, []) == []


async def test_a_model_that_gives_vectors_also_answers_in_another_process(
    provider: LlamaCppProvider,
) -> None:
    await provider.embed(EMBEDDER, ["a member"])
    assert provider.pid(EMBEDDER) is None
    request = GenerationRequest((ChatMessage(Role.USER, "hello"),), max_tokens=2)
    assert [chunk async for chunk in provider.generate(EMBEDDER, request)]
    assert provider.pid(EMBEDDER) is not None


async def test_a_text_longer_than_the_context_is_an_error_and_not_cut(provider: LlamaCppProvider) -> None:
    assert await provider.embed(EMBEDDER, ["x" * 900])
    with pytest.raises(ContextTooLong) as refusal:
        await provider.embed(EMBEDDER, ["short", "x" * 5000])
    assert (refusal.value.prompt_tokens, refusal.value.context_tokens) == (5000, 1024)


async def test_what_is_not_for_vectors_is_refused(provider: LlamaCppProvider) -> None:
    with pytest.raises(RequestRefused, match="ooling"):
        await provider.embed(PLAIN, ["a member"])
    with pytest.raises(RequestRefused, match="empty"):
        await provider.embed(EMBEDDER, [""])
    with pytest.raises(ModelNotFound):
        await provider.embed(ModelRef("llamacpp", "other"), ["a member"])
    assert await provider.embed(EMBEDDER, ["a member"])


async def test_a_process_that_hangs_or_dies_fails_that_text_and_the_next_one_works(tmp_path: Path) -> None:
    provider = provider_of(tmp_path, embed_limit_s=0.5, cancel_grace_s=0.1)
    await provider.embed(EMBEDDER, ["a member"])
    [hosted] = provider._hosted.values()
    assert hosted.pid is not None
    os.kill(hosted.pid, signal.SIGSTOP)
    with pytest.raises(GenerationTimeout):
        await provider.embed(EMBEDDER, ["a member"])
    assert await provider.embed(EMBEDDER, ["a member"])
    os.kill(hosted.pid, signal.SIGSTOP)
    waiting = asyncio.create_task(provider.embed(EMBEDDER, ["a member"]))
    await until(hosted._turn.locked)
    os.kill(hosted.pid, signal.SIGKILL)
    with pytest.raises(ProviderUnavailable, match="SIGKILL"):
        await waiting
    assert await provider.embed(EMBEDDER, ["a member"])
    await provider.aclose()
