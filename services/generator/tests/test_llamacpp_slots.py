"""llama.cpp holds so many models and no more; the one that was used longest ago leaves, and none that is in use."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import aclosing
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tiny_llama import CONTEXT_TOKENS, write_tiny_llama

from hone_contracts.models import ModelRef
from hone_generator.providers.base import ChatMessage, Gbnf, GenerationRequest, Role
from hone_generator.providers.errors import GenerationTimeout
from hone_generator.providers.llamacpp import LlamaCppProvider, LlamaCppSettings, ModelFile
from hone_generator.providers.llamacpp_slots import Slots

ENDLESS = Gbnf("root ::= [a-z ] root")


def asking(max_tokens: int = 2) -> GenerationRequest:
    return GenerationRequest((ChatMessage(Role.USER, "A member has loans."),), max_tokens, constraint=ENDLESS)


@pytest.fixture
async def provider(tmp_path: Path) -> AsyncIterator[LlamaCppProvider]:
    files = {}
    for seed, name in enumerate("abc"):
        path = tmp_path / f"{name}.gguf"
        write_tiny_llama(path, seed)
        files[name] = ModelFile(path.as_uri())
    provider = LlamaCppProvider(
        files,
        LlamaCppSettings(folders=(tmp_path,), threads=1, context_tokens=CONTEXT_TOKENS, most_loaded=2),
    )
    yield provider
    await provider.aclose()


async def answer(provider: LlamaCppProvider, name: str) -> None:
    async for _ in provider.generate(ModelRef("llamacpp", name), asking()):
        pass


async def loaded(provider: LlamaCppProvider) -> str:
    return "".join(info.ref.name for info in await provider.models() if info.loaded)


async def test_the_model_that_was_used_longest_ago_leaves(provider: LlamaCppProvider) -> None:
    for name in "abac":
        await answer(provider, name)
    assert await loaded(provider) == "ac"


async def test_models_in_use_stay_and_a_third_waits_for_one_of_them(provider: LlamaCppProvider) -> None:
    async with (
        aclosing(provider.generate(ModelRef("llamacpp", "a"), asking(20_000))) as first,
        aclosing(provider.generate(ModelRef("llamacpp", "b"), asking(20_000))) as second,
    ):
        await anext(first)
        await anext(second)
        third = asyncio.create_task(answer(provider, "c"))
        await anext(first)
        await anext(second)
        assert await loaded(provider) == "ab"
        await second.aclose()
        await third
        assert await loaded(provider) == "ac"
        assert await anext(first)


async def test_the_first_token_has_a_limit_of_its_own(provider: LlamaCppProvider) -> None:
    await answer(provider, "a")
    with pytest.raises(GenerationTimeout) as late:
        async for _ in provider.generate(ModelRef("llamacpp", "a"), replace(asking(), first_token_s=1e-6)):
            pass
    assert late.value.limit_s == 1e-6
    assert "did not begin to answer" in str(late.value)


class Pretended:
    """A model that loads at once and takes a moment to go."""

    def __init__(self, clock: list[int]) -> None:
        self.pid: int | None = None
        self.last_used = 0.0
        self.users = 0
        self._clock = clock

    async def unload(self) -> None:
        assert not self.users
        await asyncio.sleep(0)
        self.pid = None

    async def work(self, steps: int) -> None:
        self.users += 1
        self.pid = 1
        for _ in range(steps):
            await asyncio.sleep(0)
        self.users -= 1
        self._clock[0] += 1
        self.last_used = self._clock[0]


@given(
    st.integers(1, 3),
    st.lists(st.tuples(st.integers(0, 4), st.integers(0, 5)), min_size=1, max_size=20),
)
@settings(max_examples=60, deadline=None)
def test_however_many_come_at_once_there_are_never_too_many_and_all_have_their_turn(
    most: int, uses: list[tuple[int, int]]
) -> None:
    async def all_at_once() -> None:
        clock = [0]
        models = [Pretended(clock) for _ in range(5)]
        slots = Slots(most)

        async def use(number: int, steps: int) -> None:
            async with slots.held(models[number], models):
                working = asyncio.ensure_future(models[number].work(steps))
                await asyncio.sleep(0)
                assert sum(model.pid is not None for model in models) <= most
                await working

        async with asyncio.timeout(20):
            await asyncio.gather(*(use(*each) for each in uses))

    asyncio.run(all_at_once())


async def test_who_gives_up_waiting_leaves_the_line() -> None:
    models = [Pretended([0]) for _ in range(2)]
    slots = Slots(1)
    async with slots.held(models[0], models):
        models[0].pid = 1

        async def wait() -> None:
            async with slots.held(models[1], models):
                models[1].pid = 1

        waiting = asyncio.create_task(wait())
        await asyncio.sleep(0)
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting
    async with slots.held(models[1], models):
        assert models[0].pid is None
