"""What was planned and what comes: memory that is gone when a model is loaded, runners that die, predictions
that were too low. The answer is less context, a model less, or an error for the engine to go on with."""

from collections.abc import Iterator

import pytest
from fake_ollama import FakeOllama, serving
from gpu_scene import LONG, answer, making_room, model, settings
from simulated_cards import GIB, SimulatedCards
from simulated_time import now, simulated

from hone_generator.memory.cards import Card
from hone_generator.memory.errors import CardBusy, DoesNotFit, OutOfMemory, RunnerDied
from hone_generator.memory.footprint import Serving, predict
from hone_generator.memory.hosts import Wanted
from hone_generator.memory.room import Room
from hone_generator.providers.ollama_show import profile
from hone_generator.providers.ollama_wire import ModelEntry


@pytest.fixture
def cards() -> SimulatedCards:
    return SimulatedCards(24)


@pytest.fixture
def fake(cards: SimulatedCards) -> Iterator[FakeOllama]:
    with serving(FakeOllama(cards=cards, loading_s=0.02, leaving_s=0.02)) as fake:
        yield fake.add(model("a"), model("b"), model("c"))


class TakenMeanwhile(SimulatedCards):
    """Between the look and the load, another process is faster."""

    def __init__(self, total_gib: float, taken_gib: float) -> None:
        super().__init__(total_gib)
        self.taken_gib = taken_gib

    def take(self, owner: object, needed_bytes: int, per_card_bytes: int = 0) -> None:
        if self.taken_gib:
            self.occupy(self.taken_gib)
            self.taken_gib = 0
        super().take(owner, needed_bytes, per_card_bytes)


async def test_memory_that_runs_out_while_loading_makes_idle_models_leave() -> None:
    cards = TakenMeanwhile(24, 0)
    with serving(FakeOllama(cards=cards)) as fake:
        fake.add(model("a"), model("b"))
        async with making_room(fake, cards=cards) as provider:
            await answer(provider, "a")
            cards.taken_gib = 7
            assert await answer(provider, "b")
    assert fake.unloads == ["a:latest"]
    assert [name for name, _ in fake.loads] == ["a:latest", "b:latest", "b:latest"]


async def test_memory_that_another_process_took_is_not_there_for_a_smaller_context_either() -> None:
    cards = TakenMeanwhile(24, 20)
    with serving(FakeOllama(cards=cards)) as fake:
        fake.add(model("a"))
        async with making_room(fake, cards=cards) as provider:
            with pytest.raises(DoesNotFit, match=r"at most 1\.6 GiB"):
                await answer(provider, "a", LONG)
    assert fake.loads == [("a:latest", 16_384)]


async def test_a_prediction_that_was_too_low_makes_the_context_smaller(
    fake: FakeOllama, cards: SimulatedCards
) -> None:
    sly = model("sly")
    sly.memory_bytes = lambda context: (8 << 30) + (context << 20) * 11 // 10  # type: ignore[method-assign]
    fake.add(sly)
    async with making_room(fake, cards=cards) as provider:
        assert await answer(provider, "sly", LONG)
    assert fake.loads == [("sly:latest", 16_384), ("sly:latest", 8448)]


async def test_where_nothing_can_be_predicted_the_server_is_asked_for_less_until_it_can() -> None:
    """Another machine's card, of which nothing is known but what its server says."""
    hidden = SimulatedCards(10)
    with serving(FakeOllama(cards=hidden)) as fake:
        fake.add(model("a", 8), model("b", 8.3), model("c", 9.7))
        async with making_room(fake, cards=SimulatedCards()) as provider:
            assert await answer(provider, "a", LONG)
            assert fake.loads == [("a:latest", 16_384), ("a:latest", 8448)]
            assert await answer(provider, "b", LONG)
            assert fake.unloads == ["a:latest"]
            with pytest.raises(OutOfMemory, match="cudaMalloc failed: out of memory"):
                await answer(provider, "c", LONG)
            assert await answer(provider, "a")


async def test_a_runner_that_died_for_no_reason_is_tried_with_less_and_then_given_up(
    fake: FakeOllama, cards: SimulatedCards
) -> None:
    fake.add(model("crash"))
    async with making_room(fake, cards=cards) as provider:
        await answer(provider, "a")
        with pytest.raises(RunnerDied, match="exit status 2"):
            await answer(provider, "crash", LONG)
        assert await answer(provider, "a")
    assert fake.unloads == []


async def test_what_a_model_takes_beyond_its_prediction_is_remembered(
    cards: SimulatedCards, fake: FakeOllama
) -> None:
    known = model("sly", 8)
    known.memory_bytes = lambda context: 14 << 30  # type: ignore[method-assign]
    facts = profile(known.shown(), known.size_bytes).facts
    assert facts is not None
    assert predict(facts, 4096, Serving()).total_bytes < 10 << 30
    fake.add(known)
    async with making_room(fake, cards=cards) as provider:
        await answer(provider, "sly")
        fake.expire("sly:latest")
        await answer(provider, "a")
        await answer(provider, "sly")
    assert fake.unloads == ["a:latest"]
    assert cards.peak_share <= 0.9


async def test_a_server_that_does_not_let_a_model_go_is_not_waited_for_for_ever(
    fake: FakeOllama, cards: SimulatedCards
) -> None:
    async with making_room(fake, cards=cards, unload_wait_s=0.2) as provider:
        await answer(provider, "a")
        await answer(provider, "b")
        fake.leaving_s = 3600
        with pytest.raises(CardBusy, match="does not leave"):
            await answer(provider, "c")


class Restless:
    """A server whose other client loads a model again each time that it has gone."""

    url = "http://127.0.0.1:1"

    def __init__(self) -> None:
        self.unloads = 0
        self.gone = False

    async def loaded(self) -> list[ModelEntry]:
        listed = [] if self.gone else [ModelEntry("a:latest", vram_bytes=20 * GIB, context_tokens=4096)]
        self.gone = False
        return listed

    async def load(self, name: str, context_tokens: int) -> None:
        raise AssertionError("there is no room for it")

    async def unload(self, name: str) -> None:
        self.unloads += 1
        self.gone = True


def test_models_that_others_load_as_fast_as_they_leave_are_given_up() -> None:
    cards = SimulatedCards(24)
    cards.occupy(20)
    host = Restless()
    known = model("c")
    wanted = Wanted("ollama:c", "c", (4096,), 4096, facts=profile(known.shown(), known.size_bytes).facts)

    async def use() -> None:
        room = Room(settings(), cards, now)
        room.here.look = look  # type: ignore[method-assign]
        room.add(host)
        async with room.use(host, wanted):
            raise AssertionError("there is no room for it")

    async def look() -> tuple[Card, ...]:
        return cards.read()

    with pytest.raises(CardBusy, match="as fast as it leaves"):
        simulated(use())
    assert host.unloads == 32
