"""Runs whose process counts steps instead of training: what workers do around it is the real thing.

As a program, a worker in a process of its own, which can be killed.
"""

import asyncio
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
from feedbacks import ERD
from loop_parts import Trainer

from hone_chassis.runtime import serve
from hone_contracts.ids import new_id
from hone_contracts.pool import Run
from hone_contracts.training import StartTraining, SteeringAction, SteerTraining
from hone_trainer import app
from hone_trainer.runs.card import Card
from hone_trainer.runs.worker import Assignment, Made
from hone_trainer.training import Methods

PROGRAM = Path(__file__).with_name("counting_process.py")


@dataclass(frozen=True)
class Counting:
    root: Path
    card: Card

    async def __call__(self, assignment: Assignment) -> Made:
        run = self.root / assignment.run_id
        folder = run / f"worker-{assignment.fence}"
        await asyncio.to_thread(folder.mkdir, parents=True)
        settings = assignment.settings
        command = [
            sys.executable, str(PROGRAM), str(folder), str(run / "checkpoints"), str(settings["steps"]),
            str(settings["pace_s"]),
        ]  # fmt: skip
        figures = await self.card.run(command, assignment.progress, assignment.hold, folder / "control")
        return Made(
            weights_uri=(folder / "out").as_uri(), prompt=None, parameters=dict(settings), figures=figures
        )


def _methods(parts: Any) -> dict[str, Any]:
    return {"lora": Counting(parts.runs_folder, parts.card)}


@contextmanager
def counting(monkeypatch: Any) -> Iterator[None]:
    """While open, services that are created count where they would train by LoRA."""
    monkeypatch.setattr(app._Parts, "methods", _methods)
    monkeypatch.setattr(Methods, "check", lambda *_: None)  # counting needs no packages
    yield


def by_lora(steps: int = 2_000, pace_s: float = 0.02) -> StartTraining:
    settings = {"steps": steps, "pace_s": pace_s}
    return StartTraining(correlation_id=new_id("job"), artifact_type=ERD, method="lora", settings=settings)


async def steer(trainer: Trainer, run_id: str, action: SteeringAction, tenant: str = "default") -> Run:
    found: Run = await trainer.ask(SteerTraining(run_id=run_id, action=action, tenant=tenant), Run)
    return found


def counters(folder: Path) -> list[psutil.Process]:
    """The training processes under this folder."""
    found = []
    for process in psutil.process_iter(["cmdline", "status"]):
        words = process.info["cmdline"] or []
        mine = str(PROGRAM) in words and any(str(folder) in word for word in words)
        if mine and process.info["status"] != psutil.STATUS_ZOMBIE:
            found.append(process)
    return found


def checkpoints(folder: Path, run_id: str) -> list[int]:
    return sorted(
        int(path.name) for path in (folder / "trainer/runs" / run_id / "checkpoints").glob("[0-9]*")
    )


def _serve() -> None:
    app._Parts.methods = _methods  # type: ignore[method-assign, assignment]
    serve("hone_trainer.app")


if __name__ == "__main__":
    os.environ["HONE_TRAINER_ROLE"] = "worker"
    _serve()
