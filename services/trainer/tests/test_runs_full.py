"""A run that changes the weights of the model that ships with Hone: the real one, in its own process."""

import json
import os
import signal
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import psutil
import pytest
from feedbacks import ERD, feedback
from loop_parts import training
from running import until

from hone_contracts.ids import new_id
from hone_contracts.job_messages import JobCancelled
from hone_contracts.teaching import Pair, RenderedExample
from hone_contracts.training import StartTraining, TrainingCompleted, TrainingFailed
from hone_trainer.runs.housekeeping import tidy

SHIPPED = Path(__file__).parents[3] / "libs/hone/hone/starter/hone-starter-q8_0.gguf"
QUICK = {"epochs": 1, "replay_share": 0.2, "batch_tokens": 200, "checks": 1}
WORDS = ["boat", "berth", "harbour", "pilot", "crane", "vessel", "pier", "buoy", "dock", "anchor"]

pytest.importorskip("torch", reason="the trainer's training packages are not installed")
pytestmark = pytest.mark.slow


def as_passage(text: Any) -> RenderedExample:
    number = len(text.requirements) + sum(map(ord, text.requirements))
    one, other = WORDS[number % 10], WORDS[(number * 3 + 1) % 10]
    answer = f'[{{"r":["{one}s","N:1","{other}s"]}}]'
    return RenderedExample(pairs=(Pair(user=f"\n{one}s roll up to {other}s .", assistant=answer),))


PARTS: dict[str, Any] = {"reading": "passages", "model_uri": SHIPPED.as_uri(), "rendered": as_passage}


def by_hand(settings: dict[str, Any]) -> StartTraining:
    return StartTraining(correlation_id=new_id("job"), artifact_type=ERD, method="full", settings=settings)


@pytest.fixture
def database_url(tmp_path: Path) -> str:
    """What differs between databases has its tests elsewhere."""
    return f"sqlite+aiosqlite:///{tmp_path / 'test.db'}"


async def test_a_batch_for_hones_own_model_ends_in_new_weights(
    nats_server: Any, database_url: str, tmp_path: Path
) -> None:
    async with training(nats_server.url, database_url, tmp_path, **PARTS) as trainer:
        await trainer.gives(*(feedback(n, user=f"user{n % 3}") for n in range(11)))
        await trainer.tell(by_hand(QUICK))
        run = await trainer.run_in("deploying")
        completed = await trainer.one_told(TrainingCompleted)
        assert completed.correlation_id == run.run_id and completed.prompt is None
        assert completed.weights_uri is not None
        folder = Path(urlsplit(completed.weights_uri).path)
        assert (folder / "model.safetensors").exists() and (folder / "config.json").exists()
        assert json.loads((folder.parent / "run.json").read_text())
        assert folder.parents[2].name == run.run_id
        await tidy(trainer.service.database, folder.parents[3])
        assert folder.exists()  # the hub has not been there yet
        await trainer.cancel(run.run_id)
        await tidy(trainer.service.database, folder.parents[3])
        assert not folder.exists() and (folder.parent / "run.json").exists()
        assert run.figures["pairs"] == completed.dataset.train and run.parameters["epochs"] == 1


async def test_a_setting_that_cannot_be_fails_the_run_and_names_those_that_can(
    nats_server: Any, database_url: str, tmp_path: Path
) -> None:
    async with training(nats_server.url, database_url, tmp_path, **PARTS) as trainer:
        await trainer.gives(*(feedback(n, user=f"user{n % 3}") for n in range(11)))
        await trainer.tell(by_hand({"epoch": 3}))
        run = await trainer.run_in("failed")
        assert run.error is not None and run.error.code == "bad_setting" and "epochs" in run.error.detail
        assert (await trainer.one_told(TrainingFailed)).error == run.error


def finetunes(folder: Path) -> list[psutil.Process]:
    found = []
    for process in psutil.process_iter(["cmdline"]):
        words = process.info["cmdline"] or []
        if "hone_trainer.finetune" in words and any(str(folder) in word for word in words):
            found.append(process)
    return found


async def test_cancelling_a_job_ends_its_training_process_and_gives_the_examples_back(
    nats_server: Any, database_url: str, tmp_path: Path
) -> None:
    async with training(nats_server.url, database_url, tmp_path, **PARTS) as trainer:
        await trainer.gives(*(feedback(n, user=f"user{n % 3}") for n in range(11)))
        asked = by_hand({**QUICK, "epochs": 100})
        await trainer.tell(asked)
        await until(lambda: finetunes(tmp_path))
        await trainer.tell(JobCancelled(correlation_id=asked.correlation_id))
        await trainer.run_in("cancelled")
        await until(lambda: finetunes(tmp_path) == [])
        assert await trainer.told(TrainingCompleted) == [] and await trainer.told(TrainingFailed) == []


async def test_a_training_process_that_is_killed_fails_the_run_with_the_reason(
    nats_server: Any, database_url: str, tmp_path: Path
) -> None:
    async with training(nats_server.url, database_url, tmp_path, **PARTS) as trainer:
        await trainer.gives(*(feedback(n, user=f"user{n % 3}") for n in range(11)))
        await trainer.tell(by_hand({**QUICK, "epochs": 100}))
        [process] = await until(lambda: finetunes(tmp_path))
        os.kill(process.pid, signal.SIGKILL)
        run = await trainer.run_in("failed")
        assert run.error is not None and "signal 9" in run.error.detail
