"""Which workers a run waits for, and what they tell of themselves."""

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from feedbacks import feedback
from loop_parts import policy, training
from running import until
from sqlmodel import select
from steering_parts import by_lora, counting

from hone_chassis.database import Database
from hone_chassis.migrations import migrate
from hone_chassis.tables import OutboxRow, utc_now
from hone_contracts.training import (
    LARGE_CARD_BYTES,
    CheckEnvironments,
    Environments,
    TrainModel,
    TrainOnCard,
    TrainOnLargeCard,
    WorkerEnvironment,
)
from hone_trainer.app import HEAD
from hone_trainer.runs import machine, workers
from hone_trainer.runs.moving import Mover
from hone_trainer.runs.placing import Alive, place_for, places_of
from hone_trainer.runs.workers import Telling
from hone_trainer.tuning.errors import NotEnoughMemory

GB = 1 << 30


def worker(*places: str, busy: bool = False) -> Alive:
    return Alive(frozenset(places), busy)


CPU, SMALL, LARGE = worker("any"), worker("any", "card"), worker("any", "large_card")
BUSY_SMALL, BUSY_LARGE = worker("any", "card", busy=True), worker("any", "large_card", busy=True)


@pytest.mark.parametrize(
    ("method", "device", "alive", "place"),
    [
        ("few_shot", None, [LARGE], "any"),
        ("full", "cuda", [SMALL], "any"),
        ("lora", None, [], "any"),
        ("lora", None, [CPU], "any"),
        ("lora", None, [CPU, SMALL, LARGE], "card"),
        ("qlora", "auto", [LARGE], "large_card"),
        ("kto", None, [BUSY_SMALL, LARGE], "large_card"),
        ("lora", None, [BUSY_SMALL, BUSY_LARGE], "card"),
        ("lora", None, [BUSY_LARGE], "large_card"),
        ("lora", "cpu", [SMALL], "any"),
        ("lora", "cuda", [], "card"),  # it waits: one with a card may be away over night
        ("lora", "cuda", [CPU, BUSY_LARGE], "large_card"),
    ],
)
def test_a_run_waits_for_the_smallest_kind_of_worker_that_fits(
    method: str, device: str | None, alive: list[Alive], place: str
) -> None:
    settings = {} if device is None else {"device": device}
    assert place_for(method, settings, alive) == place


def test_a_worker_takes_what_its_card_is_for() -> None:
    assert places_of("cpu", 0) == places_of("mps", 0) == ("any",)
    assert places_of("cuda", 24 * GB) == ("any", "card")
    assert places_of("cuda", LARGE_CARD_BYTES) == ("any", "large_card")


@pytest.fixture
def smi(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A driver's program that says what the test writes."""
    program = tmp_path / "nvidia-smi"
    program.write_text('#!/bin/sh\necho "$@" > "$0.asked"\ncat "$0.says"\n')
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    monkeypatch.setattr(machine, "torch_is_for_cuda", lambda: True)
    return program.with_name("nvidia-smi.says")


def test_the_card_with_the_most_memory_counts(smi: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    smi.write_text(
        "NVIDIA GeForce RTX 4090, 24564, 20000\nNVIDIA A100, 81920, 81000\nA cut one, [N/A], [N/A]\n"
    )
    seen = machine.look()
    assert (seen.device, seen.card, seen.card_bytes) == ("cuda", "NVIDIA A100", 81920 << 20)
    assert seen.free_card_bytes == 81000 << 20
    for visible, asked in (("1", "--id=1"), ("0,11", "--id=0,11"), ("GPU-1a,-1,3", "--id=GPU-1a")):
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible)
        assert machine.look().device == "cuda"
        assert smi.with_name("nvidia-smi.asked").read_text().split()[-1] == asked
    for none in ("-1", "", " "):
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", none)
        assert machine.look().device != "cuda"


@pytest.mark.parametrize("says", ["", "No devices were found\n", "x, y, z\n", "\0\n"])
def test_a_driver_that_tells_of_no_card_is_none(smi: Path, says: str) -> None:
    smi.write_text(says)
    assert machine.look().device != "cuda"


def test_torch_without_cuda_has_no_card(smi: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    smi.write_text("NVIDIA A100, 81920, 81000\n")
    monkeypatch.setattr(machine, "torch_is_for_cuda", lambda: False)
    assert machine.look().device != "cuda"


async def test_workers_are_seen_while_they_tell_that_they_are_alive(database_url: str) -> None:
    database = Database(database_url, "trainer")
    await migrate(database, "hone_trainer", HEAD)

    async def look() -> WorkerEnvironment:
        return WorkerEnvironment(worker="", device="cuda", card="A card", card_bytes=24 * GB)

    busy = Telling(database, look, lambda: "job_1", "a")
    idle = Telling(database, look, lambda: None, "b")
    for each in (busy, idle, busy):
        await each.tell()
    async with database.read() as session:
        assert await workers.alive(session) == [worker("any", "card", busy=True), worker("any", "card")]
        assert await workers.heard_of(session, utc_now() + timedelta(minutes=2)) == []
    found = (await workers.Workers(database).check(CheckEnvironments())).workers
    assert [(each.worker, each.card) for each in found] == [("a", "A card"), ("b", "A card")]
    assert found[0].seen_at is not None
    await database.aclose()


async def test_a_run_goes_to_the_subject_of_the_worker_that_can_do_it(
    nats_server: Any, database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def with_a_card() -> WorkerEnvironment:
        return WorkerEnvironment(worker="", device="cuda", card="A card", card_bytes=80 * GB)

    with counting(monkeypatch):
        monkeypatch.setattr(machine, "look", with_a_card)
        monkeypatch.setattr(machine, "card", lambda: None)  # nobody lends one here
        loop = policy(min_interval_s=600)
        async with training(nats_server.url, database_url, tmp_path, loop=loop) as trainer:
            await until(lambda: _alive(trainer), lambda count: count == 1)
            await trainer.gives(*(feedback(n, f"user{n % 3}") for n in range(11)))
            await trainer.tell(by_lora(steps=5))
            await trainer.run_in("deploying")
            assert len(await _sent(trainer, TrainOnLargeCard)) == 1
            assert await _sent(trainer, TrainOnCard) == []
        async with training(
            nats_server.url, database_url, tmp_path, loop=loop, set_trainer_role="coordinator"
        ) as left:
            assert (await left.ask(CheckEnvironments(), Environments)).workers == ()  # it said goodbye


async def test_a_run_whose_kind_of_worker_has_gone_goes_to_one_that_is_there(
    nats_server: Any, database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    loop = policy(min_interval_s=600)
    with counting(monkeypatch):
        async with training(
            nats_server.url, database_url, tmp_path, loop=loop, set_trainer_role="coordinator"
        ) as trainer:
            await trainer.gives(*(feedback(n, f"user{n % 3}") for n in range(11)))
            database = trainer.service.database

            async def with_a_card() -> WorkerEnvironment:
                return WorkerEnvironment(worker="", device="cuda", card="A card", card_bytes=24 * GB)

            await Telling(database, with_a_card, lambda: None, "a").tell()
            await trainer.tell(by_lora(steps=5))
            await trainer.run_in("queued")
            assert len(await _sent(trainer, TrainOnCard)) == 1
            late = Mover(database, lambda: utc_now() + timedelta(minutes=2))
            await late.tick()  # its kind is there
            await Telling(database, with_a_card, lambda: None, "a")._forget()
            await late.tick()  # nobody is
            async with training(
                nats_server.url, database_url, tmp_path, loop=loop, set_trainer_role="worker"
            ):
                await until(lambda: _alive(trainer), lambda count: count == 1)
                await Mover(database).tick()  # one that was started anew may be back in a moment
                assert (await _sent(trainer, TrainModel), len(await _sent(trainer, TrainOnCard))) == ([], 1)
                await late.tick()
                await trainer.run_in("deploying")
            assert len(await _sent(trainer, TrainModel)) == 1


async def test_a_run_that_a_small_card_has_no_room_for_goes_to_a_large_one(
    nats_server: Any, database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def small() -> WorkerEnvironment:
        return WorkerEnvironment(worker="", device="cuda", card="A card", card_bytes=24 * GB)

    async def large() -> WorkerEnvironment:
        return WorkerEnvironment(worker="", device="cuda", card="A large card", card_bytes=80 * GB)

    with counting(monkeypatch):
        monkeypatch.setattr(machine, "look", small)
        monkeypatch.setattr(machine, "card", lambda: None)
        async with training(
            nats_server.url, database_url, tmp_path, loop=policy(min_interval_s=600)
        ) as trainer:
            await until(lambda: _alive(trainer), lambda count: count == 1)
            await Telling(trainer.service.database, large, lambda: None, "large").tell()
            await trainer.gives(*(feedback(n, f"user{n % 3}") for n in range(11)))
            asked = by_lora(steps=5)
            fails = tmp_path / "trainer/runs" / asked.correlation_id / "fails"
            fails.parent.mkdir(parents=True)
            fails.write_text(NotEnoughMemory("cuda", 9, 8, ()).code)
            await trainer.tell(asked)
            await until(lambda: _sent(trainer, TrainOnLargeCard), lambda sent: len(sent) == 1)
            run = await trainer.run_in("queued")
            assert (len(await _sent(trainer, TrainOnCard)), run.error) == (1, None)


async def _alive(trainer: Any) -> int:
    return len((await trainer.ask(CheckEnvironments(), Environments)).workers)


async def _sent(trainer: Any, command: Any) -> list[Any]:
    async with trainer.service.database.read() as session:
        return list(await session.exec(select(OutboxRow.body).where(OutboxRow.subject == command.subject)))
