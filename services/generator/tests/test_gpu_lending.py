"""Training and generation share the card: who has it, who waits, and what becomes of models that are loaded."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime

import pytest
from fake_ollama import FakeOllama, serving
from gpu_scene import answer, model, settings
from prometheus_client import REGISTRY
from running import until
from simulated_cards import GIB, SimulatedCards

from hone_chassis import rpc
from hone_chassis.errors import Permanent
from hone_contracts.card import CardLease, CardReleased, ReleaseCard, RenewCard, RequestCard
from hone_contracts.errors import Reply
from hone_generator.memory.errors import CardLeased
from hone_generator.memory.lending import Lending
from hone_generator.memory.room import Room
from hone_generator.providers.ollama import OllamaProvider


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def cards() -> SimulatedCards:
    return SimulatedCards(24)


@pytest.fixture
def fake(cards: SimulatedCards) -> Iterator[FakeOllama]:
    with serving(FakeOllama(cards=cards, leaving_s=0.02)) as fake:
        yield fake.add(model("a"), model("held-1"))


@asynccontextmanager
async def sharing(
    fake: FakeOllama, cards: SimulatedCards, clock: Clock, **others: object
) -> AsyncIterator[tuple[OllamaProvider, Lending]]:
    room = Room(settings(**others), cards, clock)
    provider = OllamaProvider([fake.url], room=room)
    yield provider, Lending(room)
    await provider.aclose()


async def test_training_gets_the_whole_card_after_generation_was_idle_and_gives_it_back(
    fake: FakeOllama, cards: SimulatedCards, clock: Clock
) -> None:
    async with sharing(fake, cards, clock, lease_idle_s=60) as (provider, lending):
        await answer(provider, "a")
        early = await lending.request(RequestCard(run="run-1"))
        assert not early.granted
        assert early.retry_after_s is not None
        assert await answer(provider, "a")  # nobody is refused for one who waits
        clock.now += 61

        lease = await lending.request(RequestCard(run="run-1", lease_s=30))
        assert lease.granted
        assert lease.expires_at is not None
        assert 25 < (lease.expires_at - datetime.now(UTC)).total_seconds() <= 30
        assert [(card.uuid, card.used_bytes) for card in lease.cards] == [("GPU-0", 0)]
        assert fake.loaded == {}
        with pytest.raises(CardLeased, match="run-1") as away:
            await answer(provider, "a")
        assert away.value.transient
        assert away.value.code == "card_leased"
        assert fake.loaded == {}
        assert REGISTRY.get_sample_value("hone_gpu_leased") == 1

        assert lease.token is not None
        released = await lending.release(ReleaseCard(run="run-1", token=lease.token))
        assert released == CardReleased(was_held=True)
        assert REGISTRY.get_sample_value("hone_gpu_leased") == 0
        assert await answer(provider, "a")


async def test_train_first_lets_answers_end_and_no_new_ones_begin(
    fake: FakeOllama, cards: SimulatedCards, clock: Clock
) -> None:
    async with sharing(fake, cards, clock, lease_policy="train_first") as (provider, lending):
        held = asyncio.create_task(answer(provider, "held-1"))
        await until(lambda: fake.active.total() == 1)
        waiting = await lending.request(RequestCard(run="run-1"))
        assert not waiting.granted
        assert "1 answers are being written" in waiting.reason
        with pytest.raises(CardLeased):
            await answer(provider, "a")
        assert fake.unloads == []
        fake.gate.set()
        assert await held
        lease = await lending.request(RequestCard(run="run-1"))
        assert lease.granted
    assert fake.unloaded_in_use == []
    assert fake.unloads == ["held-1:latest"]


async def test_who_waits_for_room_when_training_comes_first_goes_elsewhere_at_once(
    fake: FakeOllama, cards: SimulatedCards, clock: Clock
) -> None:
    fake.add(model("wide", 14))
    async with sharing(fake, cards, clock, busy_wait_s=600) as (provider, lending):
        held = asyncio.create_task(answer(provider, "held-1"))
        await until(lambda: fake.active.total() == 1)
        waiting = asyncio.create_task(answer(provider, "wide"))
        await until(lambda: cards.reads > 2)
        await lending.request(RequestCard(run="run-1", policy="train_first"))
        with pytest.raises(CardLeased):
            await waiting
        fake.gate.set()
        await held


async def test_a_lease_that_is_not_renewed_runs_out_and_its_holder_is_told(
    fake: FakeOllama, cards: SimulatedCards, clock: Clock
) -> None:
    async with sharing(fake, cards, clock) as (provider, lending):
        clock.now += 100
        lease = await lending.request(RequestCard(run="run-1", lease_s=30))
        assert lease.token is not None
        cards.occupy(10)  # the run's own memory
        clock.now += 29
        assert (await lending.renew(RenewCard(run="run-1", token=lease.token, lease_s=30))).granted
        clock.now += 29
        with pytest.raises(CardLeased):
            await answer(provider, "a")
        clock.now += 2
        assert await answer(provider, "a")  # beside what the run still holds
        with pytest.raises(Permanent, match="ask for it again") as lost:
            await lending.renew(RenewCard(run="run-1", token=lease.token))
        assert (lost.value.code, lost.value.status) == ("lease_lost", 409)
        assert not (await lending.release(ReleaseCard(run="run-1", token=lease.token))).was_held
    assert cards.peak_share <= 0.9


async def test_an_answer_that_was_lost_is_given_again_and_a_later_holder_has_a_larger_token(
    fake: FakeOllama, cards: SimulatedCards, clock: Clock
) -> None:
    async with sharing(fake, cards, clock, lease_idle_s=0) as (_, lending):
        first = await lending.request(RequestCard(run="run-1", lease_s=30))
        again = await lending.request(RequestCard(run="run-1", lease_s=30))
        assert first.token is not None
        assert again.token == first.token
        other = await lending.request(RequestCard(run="run-2"))
        assert not other.granted
        assert "run-1 has the cards" in other.reason
        clock.now += 31
        later = await lending.request(RequestCard(run="run-2"))
        assert later.token is not None
        assert later.token > first.token


async def test_two_who_ask_at_once_do_not_both_get_it(
    fake: FakeOllama, cards: SimulatedCards, clock: Clock
) -> None:
    async with sharing(fake, cards, clock, lease_idle_s=0) as (provider, lending):
        await answer(provider, "a")
        leases = await asyncio.gather(*(lending.request(RequestCard(run=f"run-{n}")) for n in range(5)))
        assert sum(lease.granted for lease in leases) == 1
        assert fake.loaded == {}


async def test_a_lease_is_given_where_no_card_is_seen_and_no_ollama_answers(clock: Clock) -> None:
    room = Room(settings(lease_idle_s=0), SimulatedCards(), clock)
    provider = OllamaProvider(["http://127.0.0.1:9"], room=room)
    lease = await Lending(room).request(RequestCard(run="run-1"))
    assert lease.granted
    assert lease.cards == ()
    await provider.aclose()


async def test_other_machines_are_not_lent(fake: FakeOllama, cards: SimulatedCards, clock: Clock) -> None:
    """Of this one, whose capacity is told, nobody said that it has this machine's cards."""
    async with sharing(fake, cards, clock, lease_idle_s=0, capacity_gib=f"{fake.url}=24") as (
        provider,
        lending,
    ):
        await answer(provider, "a")
        assert (await lending.request(RequestCard(run="run-1"))).granted
        assert await answer(provider, "a")
        assert fake.unloads == []


async def test_the_questions_come_and_go_as_json(
    fake: FakeOllama, cards: SimulatedCards, clock: Clock
) -> None:
    async with sharing(fake, cards, clock, lease_idle_s=0) as (_, lending):
        ask = rpc.answering(RequestCard.subject, RequestCard, lending.request)
        reply = Reply.model_validate_json(await ask(b'{"run":"run-1","policy":"train_first"}'))
        assert CardLease.model_validate(reply.answer).granted
        wrong = Reply.model_validate_json(await ask(b'{"run":"run-1","lease_s":1e9}'))
        assert wrong.error is not None
        assert wrong.error.status == 400
        renew = rpc.answering(RenewCard.subject, RenewCard, lending.renew)
        lost = Reply.model_validate_json(await renew(b'{"run":"run-1","token":1}'))
        assert lost.error is not None
        assert lost.error.code == "lease_lost"


async def test_the_cards_are_reported_while_nothing_is_generated(clock: Clock) -> None:
    cards = SimulatedCards(8)
    cards.occupy(3)
    reporting = asyncio.create_task(Lending(Room(settings(report_s=0.01), cards, clock)).report())
    await until(lambda: cards.reads > 2)
    reporting.cancel()
    assert REGISTRY.get_sample_value("hone_gpu_memory_used_bytes", {"card": "GPU-0"}) == 3 * GIB
