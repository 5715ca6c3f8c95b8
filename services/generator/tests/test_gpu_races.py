"""What happens at the same time: models that go while they are wanted, askers that go while models are
loaded, many who want many models at once."""

import asyncio
from collections.abc import Iterator
from dataclasses import replace

import pytest
from fake_ollama import FakeOllama, serving
from gpu_scene import ASK, LONG, answer, making_room, model
from running import until
from simulated_cards import SimulatedCards


@pytest.fixture
def cards() -> SimulatedCards:
    return SimulatedCards(24)


@pytest.fixture
def fake(cards: SimulatedCards) -> Iterator[FakeOllama]:
    with serving(FakeOllama(cards=cards, loading_s=0.02, leaving_s=0.02)) as fake:
        yield fake.add(model("a"), model("b"), model("c"))


async def test_who_wants_a_model_that_is_being_sent_away_waits_and_has_it_loaded_anew(
    fake: FakeOllama, cards: SimulatedCards
) -> None:
    async with making_room(fake, cards=cards) as provider:
        for name in ("a", "b"):
            await answer(provider, name)
        fake.leaving_s = 0.1  # it is still listed all that time
        other = asyncio.create_task(answer(provider, "c"))
        await until(lambda: fake.leaving == {"a:latest"})
        assert await answer(provider, "a")
        assert await other
    assert fake.loaded_by_itself == []
    assert [name for name, _ in fake.loads] == ["a:latest", "b:latest", "c:latest", "a:latest"]
    assert cards.peak_share <= 0.9


async def test_a_listing_that_is_older_than_an_unloading_is_not_believed(
    fake: FakeOllama, cards: SimulatedCards
) -> None:
    async with making_room(fake, cards=cards) as provider:
        for name in ("a", "b"):
            await answer(provider, name)
        fake.stale_listings = 1
        late = asyncio.create_task(answer(provider, "a"))
        await until(lambda: not fake.stale_listings)
        await answer(provider, "c")
        assert fake.unloads == ["a:latest"]
        fake.gate.set()
        assert await late
    assert fake.loaded_by_itself == []
    assert cards.peak_share <= 0.9


async def test_a_model_that_expires_under_an_answer_keeps_its_room_until_the_answer_ends(
    fake: FakeOllama, cards: SimulatedCards
) -> None:
    """Between the decision to use it and the question to it, the server may unload it by itself. The question then
    loads it again, and nobody else may have taken its place."""
    fake.add(model("held-1"))
    async with making_room(fake, cards=cards) as provider:
        await answer(provider, "b")
        held = asyncio.create_task(answer(provider, "held-1"))
        await until(lambda: fake.active["held-1:latest"] == 1)
        fake.expire("held-1:latest")
        await answer(provider, "c")  # not beside b, though there would be room
        assert fake.unloads == ["b:latest"]
        fake.gate.set()
        await held
    assert cards.peak_share <= 0.9


async def test_many_at_once_for_many_models_never_pass_the_limit_and_all_are_answered(
    fake: FakeOllama, cards: SimulatedCards
) -> None:
    fake.add(model("d", 4), model("e", 12), model("f", 2))
    requests = {"a": LONG, "b": ASK, "c": ASK, "d": LONG, "e": ASK, "f": replace(ASK, max_tokens=5000)}
    async with making_room(fake, cards=cards) as provider:
        answers = await asyncio.gather(
            *(answer(provider, name, requests[name]) for _ in range(6) for name in requests)
        )
    assert all(answers)
    assert len(answers) == 36
    assert fake.exhausted == 0
    assert cards.peak_share <= 0.9
    assert fake.unloaded_in_use == []
    assert fake.loaded_by_itself == []


async def test_a_model_that_is_loaded_is_used_while_another_is_being_loaded(
    fake: FakeOllama, cards: SimulatedCards
) -> None:
    async with making_room(fake, cards=cards) as provider:
        await answer(provider, "a")
        fake.loading_s = 3600
        loading = asyncio.create_task(answer(provider, "b"))
        await until(fake.scheduler.locked)
        # The simulated server answers one that is loaded only after the load: what is seen here is that it
        # was asked.
        asked = asyncio.create_task(answer(provider, "a"))
        await until(lambda: len(fake.chats) == 2)
        for task in (loading, asked):
            task.cancel()
        await asyncio.gather(loading, asked, return_exceptions=True)


async def test_a_load_whose_asker_goes_away_is_seen_to_its_end_and_its_memory_counts(
    fake: FakeOllama, cards: SimulatedCards
) -> None:
    async with making_room(fake, cards=cards) as provider:
        await answer(provider, "a")
        fake.loading_s = 0.3
        loading = asyncio.create_task(answer(provider, "b"))
        await until(fake.scheduler.locked)
        loading.cancel()
        with pytest.raises(asyncio.CancelledError):
            await loading
        await answer(provider, "c")
    assert [name for name, _ in fake.loads] == ["a:latest", "b:latest", "c:latest"]
    assert fake.exhausted == 0
    assert fake.unloads == ["a:latest"]
    assert cards.peak_share <= 0.9
