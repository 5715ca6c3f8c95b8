"""Several Ollama hosts: a model runs where it is loaded, else where it fits, else where it is present; and a
host that is dead, full or lent to training is passed over while another can answer."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import replace

import pytest
from fake_ollama import FakeOllama, serving
from fake_ollama_model import FakeModel
from gpu_scene import ASK, answer, model, settings
from running import until
from simulated_cards import SimulatedCards

from hone_contracts.card import RequestCard
from hone_generator.memory.errors import CardLeased, DoesNotFit, OutOfMemory
from hone_generator.memory.lending import Lending
from hone_generator.memory.room import Room
from hone_generator.providers.errors import (
    ContextTooLong,
    ModelNotFound,
    ProviderUnavailable,
    RateLimited,
    StreamBroken,
)
from hone_generator.providers.ollama import OllamaProvider
from hone_generator.providers.ollama_server import OllamaSettings

DEAD = "http://127.0.0.1:9"


@pytest.fixture
def fakes() -> Iterator[tuple[FakeOllama, FakeOllama]]:
    """Two machines, with 12 and 24 GiB."""
    with (
        serving(FakeOllama(cards=SimulatedCards(12))) as small,
        serving(FakeOllama(cards=SimulatedCards(24))) as large,
    ):
        yield small, large


@asynccontextmanager
async def on(*fakes: FakeOllama, known: bool = True, dead: bool = False) -> AsyncIterator[OllamaProvider]:
    sizes = [fake.cards.read()[0].total_bytes >> 30 for fake in fakes if fake.cards]
    capacity = ",".join(f"{fake.url}={gib}" for fake, gib in zip(fakes, sizes, strict=True)) if known else ""
    urls = [DEAD] * dead + [fake.url for fake in fakes]
    provider = OllamaProvider(urls, OllamaSettings(), Room(settings(capacity_gib=capacity), SimulatedCards()))
    yield provider
    await provider.aclose()


def asked(*fakes: FakeOllama) -> list[int]:
    return [len(fake.chats) for fake in fakes]


async def test_where_it_is_loaded_before_where_it_fits(fakes: tuple[FakeOllama, FakeOllama]) -> None:
    small, large = (fake.add(model("a")) for fake in fakes)
    async with on(large) as alone:
        await answer(alone, "a")
    async with on(small, large) as provider:
        await answer(provider, "a")
    assert asked(small, large) == [0, 2]


async def test_where_it_fits_before_where_others_would_have_to_leave(
    fakes: tuple[FakeOllama, FakeOllama],
) -> None:
    small, large = (fake.add(model("a"), model("b")) for fake in fakes)
    async with on(small, large) as provider:
        await answer(provider, "a")
        await answer(provider, "b")
        assert asked(small, large) == [1, 1]
        assert [*small.unloads, *large.unloads] == []


async def test_where_it_fits_at_all(fakes: tuple[FakeOllama, FakeOllama]) -> None:
    small, large = (fake.add(model("wide", 16)) for fake in fakes)
    async with on(small, large) as provider:
        await answer(provider, "wide")
    assert asked(small, large) == [0, 1]


async def test_where_it_is_present_if_it_fits_nowhere_that_is_known(
    fakes: tuple[FakeOllama, FakeOllama],
) -> None:
    small, large = fakes
    small.add(model("wide", 16))
    large.add(model("a"))
    async with on(small, large) as provider:
        with pytest.raises(DoesNotFit):
            await answer(provider, "wide")
    async with on(small, large, known=False) as provider:
        large.add(model("wide", 16))
        assert await answer(provider, "wide")  # the first one runs out of memory, and the second one answers
    assert asked(small, large) == [0, 1]


async def test_of_equals_the_one_with_less_to_do(fakes: tuple[FakeOllama, FakeOllama]) -> None:
    small, large = (fake.add(model("held-1")) for fake in fakes)
    async with on(small, large) as provider:
        answers = [asyncio.create_task(answer(provider, "held-1"))]
        await until(lambda: small.active.total() == 1)
        async with on(large) as alone:
            large.gate.set()
            await answer(alone, "held-1")
            large.gate.clear()
        answers.append(asyncio.create_task(answer(provider, "held-1")))
        await until(lambda: large.active.total() == 1)
        for fake in fakes:
            fake.gate.set()
        assert all(await asyncio.gather(*answers))


async def test_a_dead_host_is_passed_over_and_health_tells_of_each(
    fakes: tuple[FakeOllama, FakeOllama],
) -> None:
    small, _ = fakes
    small.add(model("a"))
    async with on(small, dead=True) as provider:
        assert await answer(provider, "a")
        health = await provider.health()
    assert health.ok
    assert f"nothing answers at {DEAD}" in health.detail
    assert f"{small.url} runs Ollama" in health.detail


@contextlib.contextmanager
def stopped(fake: FakeOllama) -> Iterator[None]:
    """It refuses everything, as a proxy does whose server is away."""
    fake.away = True
    yield
    fake.away = False


async def test_a_host_that_came_back_is_found_again(fakes: tuple[FakeOllama, FakeOllama]) -> None:
    small, large = fakes
    small.add(model("a"), model("only-here"))
    large.add(model("a"))
    async with on(small, large) as provider:
        with stopped(small):
            assert await answer(provider, "a")
            with pytest.raises(ProviderUnavailable):
                await answer(provider, "only-here")
        assert await answer(provider, "only-here")  # though it was down a moment ago: no other has it
    assert asked(small, large) == [1, 1]


async def test_a_full_host_passes_the_question_on(fakes: tuple[FakeOllama, FakeOllama]) -> None:
    small, large = (fake.add(model("a")) for fake in fakes)
    small.queue_full = True
    async with on(small, large) as provider:
        assert await answer(provider, "a")
        assert asked(small, large) == [1, 1]
        large.queue_full = True
        with pytest.raises(RateLimited):
            await answer(provider, "a")


@pytest.mark.parametrize("trouble", ["cut-stream", "oom-in-stream"])
async def test_after_the_first_word_no_other_host_is_asked(
    fakes: tuple[FakeOllama, FakeOllama], trouble: str
) -> None:
    small, large = (fake.add(model(trouble, 1)) for fake in fakes)
    async with on(small, large) as provider:
        with pytest.raises((StreamBroken, OutOfMemory)):
            await answer(provider, trouble)
    assert sum(asked(small, large)) == 1


async def test_what_is_wrong_with_the_question_is_not_asked_again_elsewhere(
    fakes: tuple[FakeOllama, FakeOllama],
) -> None:
    small, large = (fake.add(FakeModel("narrow", context_length=512)) for fake in fakes)
    long = replace(ASK, messages=(replace(ASK.messages[0], content="loans " * 2000),))
    async with on(small, large) as provider:
        with pytest.raises(ContextTooLong):
            await answer(provider, "narrow", long)
    assert sum(asked(small, large)) == 1


async def test_a_machine_that_is_lent_to_training_is_passed_over(
    fakes: tuple[FakeOllama, FakeOllama],
) -> None:
    here, other = (fake.add(model("a")) for fake in fakes)
    here.add(model("only-here"))
    room = Room(settings(lease_idle_s=0, capacity_gib=f"{other.url}=24"), SimulatedCards(12))
    provider = OllamaProvider([here.url, other.url], room=room)
    assert (await Lending(room).request(RequestCard(run="run-1"))).granted
    assert await answer(provider, "a")
    assert asked(here, other) == [0, 1]
    with pytest.raises(CardLeased):
        await answer(provider, "only-here")
    await provider.aclose()


async def test_an_unknown_model_is_one_that_no_host_has(fakes: tuple[FakeOllama, FakeOllama]) -> None:
    small, large = fakes
    small.add(model("a"))
    large.add(model("b"))
    async with on(small, large) as provider:
        with pytest.raises(ModelNotFound, match="it has a:latest, b:latest"):
            await answer(provider, "c")
