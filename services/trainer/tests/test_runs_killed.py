"""Workers that die, or are taken for dead, in the middle of a training: real processes, really killed."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psutil
import pytest
import steering_parts
from loop_parts import Trainer, policy, training
from running import until
from steering_parts import by_lora, checkpoints, counters, counting, steer
from test_runs_steering import begun

from hone_contracts.pool import Run
from hone_contracts.training import CheckEnvironments, Environments, TrainingCompleted, TrainingFailed

pytestmark = pytest.mark.slow
LATER = policy(min_interval_s=600)
_SILENCE_S = 2.0


@contextmanager
def worker(nats_url: str, database_url: str, folder: Path) -> Iterator[subprocess.Popen[bytes]]:
    settings = {
        "HONE_NATS_URL": nats_url, "HONE_DATABASE_URL": database_url, "HONE_DATA_DIR": str(folder),
        "HONE_ACK_WAIT_S": str(_SILENCE_S), "HONE_PORT": "0", "PYTHONPATH": os.pathsep.join(sys.path),
    }  # fmt: skip
    with (folder / "worker.log").open("ab") as log:
        process = subprocess.Popen(
            [sys.executable, steering_parts.__file__], env=os.environ | settings, stdout=log, stderr=log
        )
    try:
        yield process
    finally:
        process.kill()
        process.wait()


def coordinator(nats_url: str, database_url: str, folder: Path) -> Any:
    more = {"set_trainer_role": "coordinator", "set_ack_wait_s": _SILENCE_S}
    return training(nats_url, database_url, folder, loop=LATER, **more)


@pytest.mark.parametrize("database_url", ["postgres"], indirect=True)
async def test_another_worker_goes_on_from_the_checkpoint_of_one_that_was_killed(
    nats_server: Any, database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with counting(monkeypatch):
        async with coordinator(nats_server.url, database_url, tmp_path) as trainer:
            with worker(nats_server.url, database_url, tmp_path) as first:
                run_id = await begun(trainer, by_lora(steps=100_000), tmp_path)
                [trains] = counters(tmp_path)
                with worker(nats_server.url, database_url, tmp_path):

                    async def alive() -> int:
                        return len((await trainer.ask(CheckEnvironments(), Environments)).workers)

                    await until(alive, lambda count: count == 2)
                    os.kill(first.pid, signal.SIGKILL)
                    # It leaves nothing behind that still trains.
                    await until(lambda: not _lives(trains), limit_s=5)
                    behind = checkpoints(tmp_path, run_id)[-1]
                    run = await _ended_by_the_next(trainer, run_id, tmp_path)
            assert run.attempt == 2 and run.figures["began"] == behind < run.figures["steps"]
            assert (
                len(await trainer.told(TrainingCompleted)) == 1 and await trainer.told(TrainingFailed) == []
            )


@pytest.mark.parametrize("database_url", ["postgres"], indirect=True)
async def test_a_worker_that_was_taken_for_dead_writes_nothing_when_it_comes_back(
    nats_server: Any, database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with counting(monkeypatch):
        async with coordinator(nats_server.url, database_url, tmp_path) as trainer:
            with worker(nats_server.url, database_url, tmp_path) as first:
                run_id = await begun(trainer, by_lora(steps=100_000), tmp_path)
                [trains] = counters(tmp_path)
                for process in (first.pid, trains.pid):  # as a machine that hangs
                    os.kill(process, signal.SIGSTOP)
                with worker(nats_server.url, database_url, tmp_path):
                    run = await _ended_by_the_next(trainer, run_id, tmp_path)
                for process in (trains.pid, first.pid):
                    os.kill(process, signal.SIGCONT)
                await until(lambda: not _lives(trains), limit_s=15)
                completed = await trainer.one_told(TrainingCompleted)
                assert completed.weights_uri is not None and "worker-2" in completed.weights_uri
                after = (await trainer.runs())[0]
                assert (after.state, after.attempt, after.figures) == ("deploying", 2, run.figures)
                assert (run.run_id, await trainer.told(TrainingFailed)) == (run_id, [])


async def _ended_by_the_next(trainer: Trainer, run_id: str, folder: Path) -> Run:
    """However long another worker needs to start on a busy machine: it goes on for ten steps, and is stopped."""
    behind = checkpoints(folder, run_id)[-1]
    await until(lambda: checkpoints(folder, run_id)[-1], lambda step: step > behind, limit_s=120)
    await steer(trainer, run_id, "stop")
    return await trainer.run_in("deploying")


def _lives(process: psutil.Process) -> bool:
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False
