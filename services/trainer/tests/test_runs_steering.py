"""A run in training is paused, goes on, ends early, is handed back; nothing of it is lost or done twice."""

import asyncio
import signal
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from feedbacks import ERD, feedback
from loop_parts import policy, settings, training
from running import until
from steering_parts import by_lora, checkpoints, counters, counting, steer

from hone_chassis import RemoteError
from hone_chassis.database import Database
from hone_chassis.tables import utc_now
from hone_contracts.ids import new_id
from hone_contracts.messages import JobProgressed
from hone_contracts.subjects import progress
from hone_contracts.training import (
    CheckTraining,
    Curve,
    ShowCurve,
    StartTraining,
    TrainingCompleted,
    TrainingFailed,
    TrainingPossible,
)
from hone_trainer.runs.watchdog import Watchdog
from hone_trainer.tuning.errors import DiskFull

LATER = policy(min_interval_s=600)


@pytest.fixture(autouse=True)
def _counting(monkeypatch: pytest.MonkeyPatch) -> Any:
    with counting(monkeypatch):
        yield


@pytest.fixture
def sqlite_url(tmp_path: Path) -> str:
    return f"sqlite+aiosqlite:///{tmp_path / 'one.db'}"


async def begun(trainer: Any, asked: StartTraining, folder: Path) -> str:
    """A run with three checkpoints behind it."""
    await trainer.gives(*(feedback(n, f"user{n % 3}") for n in range(11)))
    await trainer.tell(asked)
    await until(lambda: checkpoints(folder, asked.correlation_id), lambda found: len(found) >= 3)
    return asked.correlation_id


async def test_a_paused_run_keeps_its_place_over_restarts_and_goes_on_from_its_checkpoint(
    nats_server: Any, database_url: str, tmp_path: Path
) -> None:
    asked = by_lora(steps=400)
    async with training(nats_server.url, database_url, tmp_path, loop=LATER) as trainer:
        run_id = await begun(trainer, asked, tmp_path)
        assert (await steer(trainer, run_id, "pause")).state == "paused"
        await until(lambda: counters(tmp_path) == [], limit_s=10)
        behind = checkpoints(tmp_path, run_id)[-1]
        assert (
            tmp_path / "trainer/runs" / run_id / "worker-1/saved"
        ).exists()  # it was given the time for it
        assert (await steer(trainer, run_id, "pause")).state == "paused"  # it is so already
        with pytest.raises(RemoteError, match=run_id):
            await trainer.ask(CheckTraining(artifact_type=ERD, method="lora"), TrainingPossible)
        count = await trainer.pool()
        assert count is not None and (count.new, count.running) == (0, run_id)
    async with training(nats_server.url, database_url, tmp_path, loop=LATER) as trainer:
        await asyncio.sleep(1.5)
        assert (await trainer.runs())[0].state == "paused" and counters(tmp_path) == []
        assert (await steer(trainer, run_id, "resume")).state == "queued"
        run = await trainer.run_in("deploying")
        assert run.figures == {"began": behind, "steps": 400} and run.attempt == 2
        assert len(await trainer.told(TrainingCompleted)) == 1 and await trainer.told(TrainingFailed) == []


async def test_a_run_that_is_stopped_ends_early_and_keeps_what_it_has(
    nats_server: Any, sqlite_url: str, tmp_path: Path
) -> None:
    async with training(nats_server.url, sqlite_url, tmp_path, loop=LATER) as trainer:
        run_id = await begun(trainer, by_lora(), tmp_path)
        assert (await steer(trainer, run_id, "stop")).state == "training"
        run = await trainer.run_in("deploying")
        assert 30 <= run.figures["steps"] < 2_000 and run.attempt == 1
        assert (await trainer.one_told(TrainingCompleted)).weights_uri is not None


async def test_a_paused_run_that_is_stopped_ends_with_what_it_had(
    nats_server: Any, sqlite_url: str, tmp_path: Path
) -> None:
    async with training(nats_server.url, sqlite_url, tmp_path, loop=LATER) as trainer:
        run_id = await begun(trainer, by_lora(), tmp_path)
        await steer(trainer, run_id, "pause")
        await until(lambda: counters(tmp_path) == [], limit_s=10)
        behind = checkpoints(tmp_path, run_id)[-1]
        assert (await steer(trainer, run_id, "stop")).state == "queued"
        run = await trainer.run_in("deploying")
        assert run.figures["began"] == behind <= run.figures["steps"] < 2_000


async def test_cancelling_a_paused_run_gives_its_examples_back(
    nats_server: Any, sqlite_url: str, tmp_path: Path
) -> None:
    async with training(nats_server.url, sqlite_url, tmp_path, loop=LATER) as trainer:
        run_id = await begun(trainer, by_lora(), tmp_path)
        await steer(trainer, run_id, "pause")
        await trainer.cancel(run_id)
        count = await trainer.pool()
        assert count is not None and (count.new, count.running) == (11, None)
        for action in ("pause", "resume", "stop"):
            with pytest.raises(RemoteError) as caught:
                await steer(trainer, run_id, action)
            assert caught.value.body.code == "run_ended"


async def test_what_cannot_be_steered_says_why(nats_server: Any, sqlite_url: str, tmp_path: Path) -> None:
    async def refused(run_id: str, action: Any, tenant: str = "default") -> str:
        with pytest.raises(RemoteError) as caught:
            await steer(trainer, run_id, action, tenant)
        return caught.value.body.code

    async with training(
        nats_server.url, sqlite_url, tmp_path, loop=LATER, set_trainer_role="coordinator"
    ) as trainer:
        assert await refused(new_id("job"), "pause") == "no_such_run"
        await trainer.gives(*(feedback(n, f"user{n % 3}") for n in range(11)))
        asked = by_lora(20)
        await trainer.tell(asked)
        run_id = (await trainer.run_in("queued")).run_id
        assert await refused(run_id, "pause", tenant="other") == "no_such_run"
        assert await refused(run_id, "stop") == "not_steerable"  # nothing is learned yet
        assert (await steer(trainer, run_id, "pause")).state == "paused"
        async with training(nats_server.url, sqlite_url, tmp_path, loop=LATER, set_trainer_role="worker"):
            await asyncio.sleep(0.5)  # the command that waited is taken, and is not the one that counts
            assert (await trainer.runs())[0].state == "paused"
            await steer(trainer, run_id, "resume")
            await trainer.run_in("deploying")
            assert await refused(run_id, "pause") == "not_steerable"
            assert await refused(run_id, "stop") == "not_steerable"


async def test_a_run_that_a_person_paused_is_never_given_up(
    nats_server: Any, sqlite_url: str, tmp_path: Path
) -> None:
    async with training(nats_server.url, sqlite_url, tmp_path, loop=LATER) as trainer:
        run_id = await begun(trainer, by_lora(), tmp_path)
        await steer(trainer, run_id, "pause")
        own = Database(sqlite_url, "trainer")
        limits = settings(nats_server.url, sqlite_url, tmp_path)
        await Watchdog(own, limits, 3, lambda: utc_now() + timedelta(days=900)).tick()
        await own.aclose()
        assert (await trainer.runs())[0].state == "paused"


async def test_who_watches_sees_numbers_grow_over_a_pause_and_the_figures_of_each_step(
    nats_server: Any, sqlite_url: str, tmp_path: Path
) -> None:
    told: list[JobProgressed] = []

    async def hear(message: Any) -> None:
        told.append(JobProgressed.model_validate_json(message.data))

    async with training(nats_server.url, sqlite_url, tmp_path, loop=LATER) as trainer:
        asked = by_lora(steps=200)
        await trainer.client.subscribe(progress(asked.correlation_id), cb=hear)
        run_id = await begun(trainer, asked, tmp_path)
        await steer(trainer, run_id, "pause")
        await until(lambda: counters(tmp_path) == [], limit_s=10)
        await until(lambda: told[-1].stage == "paused")  # whatever the worker still said
        await steer(trainer, run_id, "resume")
        await trainer.run_in("deploying")
    paused = next(each for each in told if each.stage == "paused")
    queued = next(each for each in told if each.stage == "queued")
    again = [each.sequence for each in told if each.attempt == 2]
    assert max(each.sequence for each in told if each.attempt == 1) == queued.sequence > paused.sequence
    assert again == sorted(again) and again[0] > queued.sequence
    steps = [each for each in told if each.stage == "training" and each.done]
    assert steps[0].figures == {"loss": 3.0} and steps[-1].done == 200


async def test_the_curve_of_a_run_is_there_while_it_trains_and_over_a_pause(
    nats_server: Any, sqlite_url: str, tmp_path: Path
) -> None:
    async with training(nats_server.url, sqlite_url, tmp_path, loop=LATER) as trainer:
        run_id = await begun(trainer, by_lora(steps=400), tmp_path)

        async def curve(most: int = 500) -> Curve:
            found: Curve = await trainer.ask(ShowCurve(run_id=run_id, most_points=most), Curve)
            return found

        await until(curve, lambda found: found.steps > 20)
        await steer(trainer, run_id, "pause")
        await until(lambda: counters(tmp_path) == [], limit_s=10)
        await steer(trainer, run_id, "resume")
        await trainer.run_in("deploying")
        whole = await curve()
        assert [point.step for point in whole.points] == list(range(1, 401))
        assert [point.step for point in whole.points if point.held_out_loss] == list(range(10, 401, 10))
        few = await curve(50)
        assert len(few.points) == 50 and (few.points[0].step, few.points[-1].step) == (1, 400)
        with pytest.raises(RemoteError, match="no run"):
            await trainer.ask(ShowCurve(run_id=run_id, tenant="other"), Curve)


async def test_a_worker_that_is_told_to_end_hands_its_run_to_another_at_once(
    nats_server: Any, sqlite_url: str, tmp_path: Path
) -> None:
    """However little time its other work has to end."""
    roles: dict[str, Any] = {"loop": LATER, "set_trainer_role": "worker", "set_graceful_timeout_s": 0.1}
    async with training(
        nats_server.url, sqlite_url, tmp_path, loop=LATER, set_trainer_role="coordinator"
    ) as trainer:
        async with training(nats_server.url, sqlite_url, tmp_path, **roles):
            run_id = await begun(trainer, by_lora(steps=400), tmp_path)
        run = (await trainer.runs())[0]
        assert (run.run_id, run.state) == (run_id, "queued")
        behind = checkpoints(tmp_path, run_id)[-1]
        assert counters(tmp_path) == []
        async with training(nats_server.url, sqlite_url, tmp_path, **roles):
            await until(trainer.runs, lambda runs: runs[0].state == "training", limit_s=5)
            run = await trainer.run_in("deploying")
        assert (run.figures["began"], run.attempt) == (behind, 2)
        assert len(await trainer.told(TrainingCompleted)) == 1


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
async def test_a_process_that_is_ended_from_outside_is_begun_again_from_its_checkpoint(
    nats_server: Any, sqlite_url: str, tmp_path: Path, number: int
) -> None:
    async with training(nats_server.url, sqlite_url, tmp_path, loop=LATER) as trainer:
        await begun(trainer, by_lora(steps=200), tmp_path)
        counters(tmp_path)[0].send_signal(number)
        run = await trainer.run_in("deploying")
        assert run.attempt == 2 and run.figures["began"] >= 30
        assert len(await trainer.told(TrainingCompleted)) == 1 and await trainer.told(TrainingFailed) == []


async def test_a_process_that_is_killed_again_and_again_fails_its_run_with_the_reason(
    nats_server: Any, sqlite_url: str, tmp_path: Path
) -> None:
    async with training(nats_server.url, sqlite_url, tmp_path, loop=LATER, set_max_deliver=2) as trainer:
        await begun(trainer, by_lora(), tmp_path)
        first = counters(tmp_path)[0]
        first.kill()
        await until(lambda: counters(tmp_path), lambda found: found and found[0].pid != first.pid)
        counters(tmp_path)[0].kill()
        run = await trainer.run_in("failed")
        assert (
            run.error is not None and "signal 9" in run.error.detail and "out of memory" in run.error.detail
        )


async def test_a_full_disk_pauses_a_run_until_somebody_made_room(
    nats_server: Any, sqlite_url: str, tmp_path: Path
) -> None:
    async with training(nats_server.url, sqlite_url, tmp_path, loop=LATER) as trainer:
        run_id = await begun(trainer, by_lora(steps=200), tmp_path)
        full = tmp_path / "trainer/runs" / run_id / "fails"
        full.write_text(DiskFull(tmp_path, 1).code)
        run = await trainer.run_in("paused")
        assert run.error is not None and run.error.detail == "the disk is full"
        full.unlink()
        assert (await steer(trainer, run_id, "resume")).error is None
        run = await trainer.run_in("deploying")
        assert run.figures["began"] >= 30 and run.error is None
        assert await trainer.told(TrainingFailed) == []
