"""Models come and go on cards whose memory really runs out, on a server that takes its time to load and to
unload."""

import asyncio
from collections.abc import Iterator
from contextlib import aclosing

import pytest
from fake_ollama import FakeOllama, serving
from gpu_scene import ASK, LONG, answer, making_room, model
from prometheus_client import REGISTRY
from running import until
from simulated_cards import SimulatedCards

from hone_contracts.models import ModelRef
from hone_generator.memory.cards import Card
from hone_generator.memory.errors import CardBusy, DoesNotFit
from hone_generator.memory.machine import Machine
from hone_generator.memory.plan import Resident
from hone_generator.providers.errors import ProviderError


@pytest.fixture
def cards() -> SimulatedCards:
    """One card of 24 GiB: two models of 8 GiB go onto it, and no third."""
    return SimulatedCards(24)


@pytest.fixture
def fake(cards: SimulatedCards) -> Iterator[FakeOllama]:
    with serving(FakeOllama(cards=cards, loading_s=0.02, leaving_s=0.02)) as fake:
        yield fake.add(model("a"), model("b"), model("c"))


def evictions(reason: str) -> float:
    return REGISTRY.get_sample_value("hone_gpu_evictions_total", {"reason": reason}) or 0.0


def loaded(fake: FakeOllama) -> set[str]:
    return {name.removesuffix(":latest") for name in fake.loaded}


async def test_the_model_that_was_used_longest_ago_makes_room(
    fake: FakeOllama, cards: SimulatedCards
) -> None:
    before = evictions("room")
    async with making_room(fake, cards=cards) as provider:
        for name in ("a", "b", "a", "c"):
            await answer(provider, name)
        assert loaded(fake) == {"a", "c"}
        await answer(provider, "a")
    assert fake.unloads == ["b:latest"]
    assert [name for name, _ in fake.loads] == ["a:latest", "b:latest", "c:latest"]
    assert cards.peak_share <= 0.9
    assert fake.loaded_by_itself == []
    assert evictions("room") == before + 1


async def test_without_making_room_the_card_would_be_overfull(
    fake: FakeOllama, cards: SimulatedCards
) -> None:
    """What the other tests show is not the simulation's doing."""
    async with making_room(fake, cards=SimulatedCards()) as provider:
        for name in ("a", "b"):
            await answer(provider, name)
        fake.add(model("e", 5))
        await answer(provider, "e")
    assert cards.peak_share > 0.9


async def test_a_model_in_use_stays_and_the_one_that_waits_for_it_gets_its_turn(
    fake: FakeOllama, cards: SimulatedCards
) -> None:
    fake.add(model("held-1"), model("held-2"))
    async with making_room(fake, cards=cards) as provider:
        held = [asyncio.create_task(answer(provider, name)) for name in ("held-1", "held-2")]
        await until(lambda: fake.active.total() == 2)
        waiting = asyncio.create_task(answer(provider, "c"))
        await until(lambda: cards.reads > 3)  # it has looked, and looks again from time to time
        assert not waiting.done()
        assert fake.unloads == []
        fake.gate.set()
        assert await waiting
        assert all(await asyncio.gather(*held))
    assert len(fake.unloads) == 1
    assert fake.unloaded_in_use == []
    assert cards.peak_share <= 0.9


async def test_who_has_waited_long_enough_for_models_in_use_is_told_so_and_may_try_another(
    fake: FakeOllama, cards: SimulatedCards
) -> None:
    fake.add(model("held-1"), model("held-2"), model("small", 1))
    async with making_room(fake, cards=cards, busy_wait_s=0.2) as provider:
        held = [asyncio.create_task(answer(provider, name)) for name in ("held-1", "held-2")]
        await until(lambda: fake.active.total() == 2)
        with pytest.raises(CardBusy, match=r"ollama:c now: held-\d:latest, held-\d:latest in use") as busy:
            await answer(provider, "c")
        assert busy.value.transient
        assert await answer(provider, "small")  # the next model of the route
        fake.gate.set()
        await asyncio.gather(*held)
    assert fake.unloads == []


async def test_a_smaller_context_is_chosen_where_the_larger_one_does_not_fit(
    fake: FakeOllama, cards: SimulatedCards
) -> None:
    fake.add(model("large", 18.5))
    async with making_room(fake, cards=cards) as provider:
        assert await answer(provider, "large", LONG)
        assert fake.loads == [("large:latest", 8448)]  # what is needed; 16,384 would pass 90 %
        assert fake.chats[-1]["options"]["num_ctx"] == 8448
        fake.add(model("larger", 19.8))
        assert await answer(provider, "larger", LONG)
    assert fake.loads[1] == ("larger:latest", 5376)  # and no more than most answers need
    assert fake.unloads == ["large:latest"]
    assert cards.peak_share <= 0.9


async def test_a_model_that_cannot_fit_is_refused_in_gib_before_anybody_leaves_for_it(
    fake: FakeOllama, cards: SimulatedCards
) -> None:
    fake.add(model("huge", 30))
    async with making_room(fake, cards=cards) as provider:
        await answer(provider, "a")
        with pytest.raises(DoesNotFit, match=r"needs 3[01]\.\d GiB .* at most 21\.6 GiB") as refusal:
            await answer(provider, "huge")
        assert not refusal.value.transient
        assert await answer(provider, "a")
    assert fake.unloads == []
    assert [name for name, _ in fake.loads] == ["a:latest"]


async def test_more_context_loads_an_idle_model_anew_after_it_left(
    fake: FakeOllama, cards: SimulatedCards
) -> None:
    before = evictions("context")
    async with making_room(fake, cards=cards) as provider:
        await answer(provider, "a")
        await answer(provider, "a", LONG)
        await answer(provider, "a")
    assert fake.loads == [("a:latest", 4096), ("a:latest", 16_384)]
    assert fake.unloads == ["a:latest"]
    assert evictions("context") == before + 1


async def test_another_processs_memory_counts_and_is_left_alone(
    fake: FakeOllama, cards: SimulatedCards
) -> None:
    async with making_room(fake, cards=cards) as provider:
        await answer(provider, "a")
        cards.occupy(6)
        await answer(provider, "b")
        assert fake.unloads == ["a:latest"]
        cards.occupy(14)  # b's card is overfull now, and that is not b's fault: it is used as it is
        assert await answer(provider, "b")
        with pytest.raises(DoesNotFit, match=r"at most 7\.\d GiB"):
            await answer(provider, "c")
    assert cards.peak_share <= 0.9


async def test_no_card_is_no_trouble() -> None:
    with serving(FakeOllama()) as fake:
        fake.add(model("a"), model("b", 500))
        async with making_room(fake, cards=SimulatedCards()) as provider:
            assert await answer(provider, "a")
            assert await answer(provider, "b")
    assert fake.unloads == []


async def test_two_cards_hold_a_model_each_and_a_large_one_together() -> None:
    cards = SimulatedCards(12, 12)
    with serving(FakeOllama(cards=cards, leaving_s=0.01)) as fake:
        fake.add(model("a"), model("b"), model("c"), model("wide", 13), model("too-wide", 20))
        async with making_room(fake, cards=cards) as provider:
            for name in ("a", "b"):
                await answer(provider, name)
            assert loaded(fake) == {"a", "b"}
            assert [card.used_bytes > 8 << 30 for card in cards.read()] == [True, True]
            await answer(provider, "c")
            assert loaded(fake) == {"b", "c"}
            await answer(provider, "wide")
            assert loaded(fake) == {"wide"}
            with pytest.raises(DoesNotFit):
                await answer(provider, "too-wide")
    assert cards.peak_share <= 0.9


async def test_a_model_that_expired_between_two_answers_is_loaded_again(
    fake: FakeOllama, cards: SimulatedCards
) -> None:
    async with making_room(fake, cards=cards) as provider:
        await answer(provider, "a")
        fake.expire("a:latest")
        await answer(provider, "a")
    assert [name for name, _ in fake.loads] == ["a:latest", "a:latest"]
    assert fake.loaded_by_itself == []


async def test_a_card_of_another_machine_is_known_by_its_size(cards: SimulatedCards) -> None:
    with serving(FakeOllama(cards=cards)) as fake:
        fake.add(model("a"), model("b"), model("c"), model("huge", 22))
        capacity = f"{fake.url}=24"
        async with making_room(fake, cards=SimulatedCards(1), capacity_gib=capacity) as provider:
            for name in ("a", "b", "c"):
                await answer(provider, name)
            with pytest.raises(DoesNotFit):
                await answer(provider, "huge")
    assert fake.unloads == ["a:latest"]
    assert cards.peak_share <= 0.9


def test_a_model_that_others_are_loading_counts_before_its_memory_is_taken() -> None:
    machine = Machine(None, None, 0.9, None)
    seen = (Card("GPU-0", "A card", 24 << 30, 1 << 30),)
    [space] = machine.spaces(seen, "http://here", [Resident("a", 10 << 30)], ["a"])
    assert space.used_bytes == 10 << 30
    [space] = machine.spaces(seen, "http://here", [], [])
    assert (space.used_bytes, space.limit_bytes) == (1 << 30, (24 << 30) * 9 // 10)


async def test_closing_an_answer_leaves_the_model_idle(fake: FakeOllama, cards: SimulatedCards) -> None:
    fake.add(model("held-1"), model("held-2"))
    async with making_room(fake, cards=cards) as provider:
        for name in ("held-1", "held-2"):
            async with aclosing(provider.generate(ModelRef("ollama", name), ASK)) as chunks:
                await anext(chunks)
        await until(lambda: not fake.active.total())
        assert await answer(provider, "c")
    assert fake.unloads == ["held-1:latest"]


async def test_errors_of_the_card_are_told_with_a_code_to_programs(
    fake: FakeOllama, cards: SimulatedCards
) -> None:
    fake.add(model("huge", 30))
    before = REGISTRY.get_sample_value("hone_gpu_refusals_total", {"code": "does_not_fit"}) or 0
    async with making_room(fake, cards=cards) as provider:
        with pytest.raises(ProviderError) as refusal:
            await answer(provider, "huge")
    assert refusal.value.code == "does_not_fit"
    assert REGISTRY.get_sample_value("hone_gpu_refusals_total", {"code": "does_not_fit"}) == before + 1
    used = REGISTRY.get_sample_value("hone_gpu_memory_used_bytes", {"card": "GPU-0"})
    free = REGISTRY.get_sample_value("hone_gpu_memory_free_bytes", {"card": "GPU-0"})
    assert used is not None
    assert free is not None
    assert used + free == 24 << 30
