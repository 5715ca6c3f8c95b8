"""The card is lent: a run asks until it has it, ends with a checkpoint when it is taken back, and goes on later."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from feedbacks import feedback
from loop_parts import Trainer, policy, training
from nats.aio.msg import Msg
from running import until
from steering_parts import Counting, by_lora, checkpoints, counters, counting, steer
from test_runs_steering import begun

from hone_chassis import Permanent, rpc
from hone_contracts.card import CardLease, CardReleased, ReleaseCard, RenewCard, RequestCard
from hone_contracts.messages import JobProgressed
from hone_contracts.subjects import progress
from hone_contracts.training import TrainingCompleted
from hone_trainer import app
from hone_trainer.runs.card import Card

LATER = policy(min_interval_s=600)
_LEASE_S = 1.5


@dataclass
class Lender:
    """The generator's part: one holder, a token that grows."""

    free: bool = True
    token: int = 0
    holder: str | None = None
    told: list[Any] = field(default_factory=list)

    async def request(self, question: RequestCard) -> CardLease:
        self.told.append(question)
        if not self.free:
            return CardLease(granted=False, reason="an answer is being written", retry_after_s=0.2)
        self.token, self.holder = self.token + 1, question.run
        return CardLease(granted=True, token=self.token)

    async def renew(self, question: RenewCard) -> CardLease:
        self.told.append(question)
        if (self.holder, self.token) != (question.run, question.token):
            raise Permanent("lease_lost", "The card is no longer lent to this run", "stop", 409)
        return CardLease(granted=True, token=self.token)

    async def release(self, question: ReleaseCard) -> CardReleased:
        self.told.append(question)
        held = self.holder == question.run
        self.holder = None
        return CardReleased(was_held=held)

    def take_back(self) -> None:
        self.free, self.holder = False, None

    @asynccontextmanager
    async def at_work(self, client: Any) -> AsyncIterator[None]:
        subscriptions = []
        for question, handler in (
            (RequestCard, self.request), (RenewCard, self.renew), (ReleaseCard, self.release)
        ):  # fmt: skip
            answer = rpc.answering(question.subject, question, handler)  # type: ignore[arg-type]

            async def reply(message: Msg, answer: Any = answer) -> None:
                await message.respond(await answer(message.data))

            subscriptions.append(await client.subscribe(question.subject, cb=reply))
        await client.flush()
        yield
        for each in subscriptions:
            await each.unsubscribe()


@pytest.fixture(autouse=True)
def _with_a_card(monkeypatch: pytest.MonkeyPatch) -> Any:
    with counting(monkeypatch):

        def methods(parts: Any) -> Any:
            card = Card(parts.ask, shared=True, is_there=lambda: True, lease_s=_LEASE_S)
            return {"lora": Counting(parts.runs_folder, card)}

        monkeypatch.setattr(app._Parts, "methods", methods)
        yield


@pytest.fixture
def database_url(tmp_path: Path) -> str:
    """No database has a part in this."""
    return f"sqlite+aiosqlite:///{tmp_path / 'one.db'}"


async def test_a_run_has_the_card_for_as_long_as_it_trains_and_gives_it_back(
    nats_server: Any, database_url: str, tmp_path: Path
) -> None:
    lender = Lender()
    async with (
        training(nats_server.url, database_url, tmp_path, loop=LATER) as trainer,
        lender.at_work(trainer.others.client),
    ):
        await begun(trainer, by_lora(steps=120), tmp_path)
        assert lender.holder is not None
        await trainer.run_in("deploying")
        await until(lambda: lender.holder is None)
    kinds = [type(each).__name__ for each in lender.told]
    assert (kinds[0], kinds[-1]) == ("RequestCard", "ReleaseCard") and "RenewCard" in kinds


async def test_a_run_whose_card_is_taken_back_writes_its_checkpoint_and_goes_on_later(
    nats_server: Any, database_url: str, tmp_path: Path
) -> None:
    lender, heard = Lender(), list[JobProgressed]()

    async def hear(message: Any) -> None:
        heard.append(JobProgressed.model_validate_json(message.data))

    async with (
        training(nats_server.url, database_url, tmp_path, loop=LATER) as trainer,
        lender.at_work(trainer.others.client),
    ):
        asked = by_lora(steps=300)
        await trainer.client.subscribe(progress(asked.correlation_id), cb=hear)
        run_id = await begun(trainer, asked, tmp_path)
        lender.take_back()
        await until(lambda: counters(tmp_path) == [], limit_s=10)
        behind = checkpoints(tmp_path, run_id)[-1]
        await until(lambda: any("an answer is being written" in each.message for each in heard))
        assert (await trainer.runs())[0].state == "training" and counters(tmp_path) == []
        lender.free = True
        run = await trainer.run_in("deploying")
        assert (run.figures["began"], run.attempt) == (behind, 1)
        assert len(await trainer.told(TrainingCompleted)) == 1


async def test_a_lender_that_was_started_anew_and_gives_the_card_at_once_interrupts_nothing(
    nats_server: Any, database_url: str, tmp_path: Path
) -> None:
    lender = Lender()
    async with (
        training(nats_server.url, database_url, tmp_path, loop=LATER) as trainer,
        lender.at_work(trainer.others.client),
    ):
        await begun(trainer, by_lora(steps=200), tmp_path)
        [trains] = counters(tmp_path)
        lender.holder, lender.token = None, 100
        await until(lambda: lender.token > 100)
        assert [each.pid for each in counters(tmp_path)] == [trains.pid]
        assert (await trainer.run_in("deploying")).figures["began"] == 0


async def test_a_lender_that_stays_away_ends_the_use_of_the_card_when_the_lease_runs_out(
    nats_server: Any, database_url: str, tmp_path: Path
) -> None:
    lender = Lender()
    async with training(nats_server.url, database_url, tmp_path, loop=LATER) as trainer:
        async with lender.at_work(trainer.others.client):
            run_id = await begun(trainer, by_lora(steps=400), tmp_path)
        await until(lambda: counters(tmp_path) == [], limit_s=20)
        async with lender.at_work(trainer.others.client):
            run = await trainer.run_in("deploying")
        assert run.run_id == run_id and run.figures["began"] >= 30


async def test_a_run_that_waits_for_the_card_can_be_paused(
    nats_server: Any, database_url: str, tmp_path: Path
) -> None:
    lender = Lender(free=False)
    async with (
        training(nats_server.url, database_url, tmp_path, loop=LATER) as trainer,
        lender.at_work(trainer.others.client),
    ):
        asked = by_lora()
        await _waits(trainer, asked, lender)
        await steer(trainer, asked.correlation_id, "pause")
        await asyncio.sleep(2.5)
        so_far = len(lender.told)
        await asyncio.sleep(1.0)
        assert len(lender.told) == so_far  # nobody asks any more


async def _waits(trainer: Trainer, asked: Any, lender: Lender) -> None:
    await trainer.gives(*(feedback(n, f"user{n % 3}") for n in range(11)))
    await trainer.tell(asked)
    await until(lambda: lender.told)
