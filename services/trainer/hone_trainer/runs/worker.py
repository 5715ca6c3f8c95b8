"""Works on ``TrainModel``: the dataset, the plan, the version.

Safe to be interrupted anywhere and begun again: each worker that takes the run up has a fencing token, the dataset
and the plan of an earlier one are found again, and files have their attempt in their names.
"""

import asyncio
import importlib.metadata
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, Protocol

from sqlalchemy.engine import RowMapping
from sqlmodel.ext.asyncio.session import AsyncSession

from hone_chassis import Outcome, ProgressPublisher, announce
from hone_chassis.cancellations import Cancellations, JobWasCancelled
from hone_chassis.database import Database
from hone_chassis.errors import DatabaseUnavailable, HandlingError
from hone_chassis.logs import get_logger
from hone_contracts.errors import ErrorBody
from hone_contracts.registry import PlanVersion, PromptVersion
from hone_contracts.training import (
    DatasetSummary,
    PlannedVersion,
    TrainingCompleted,
    TrainingFailed,
    TrainModel,
)
from hone_trainer.asking import Asking
from hone_trainer.errors import DatasetBad, NotThereYet, Superseded
from hone_trainer.examples import Example
from hone_trainer.runs import book, ending
from hone_trainer.runs.dataset import Builder
from hone_trainer.runs.named import NamedDatasets
from hone_trainer.runs.offering import Offering

log = get_logger(__name__)

_TOUCH_S = 20.0


@dataclass(frozen=True)
class Assignment:
    """What a method makes a version from. ``fence`` is part of the names of its files."""

    run_id: str
    tenant: str
    fence: int
    planned: PlannedVersion
    dataset: DatasetSummary
    train: list[tuple[Example, float]]
    settings: Mapping[str, Any]
    progress: ProgressPublisher


@dataclass(frozen=True)
class Made:
    """One of ``weights_uri`` and ``prompt`` is set."""

    weights_uri: str | None
    prompt: PromptVersion | None
    parameters: dict[str, Any]
    figures: dict[str, Any]


class MakeVersion(Protocol):
    """A method of training. Raises HandlingError."""

    async def __call__(self, assignment: Assignment) -> Made: ...


@dataclass(frozen=True)
class Worker:
    database: Database
    cancellations: Cancellations
    builder: Builder
    named: NamedDatasets
    offering: Offering
    ask: Asking
    methods: Mapping[str, MakeVersion]
    tries: int
    deliveries: int

    async def __call__(self, command: TrainModel, progress: ProgressPublisher) -> Outcome:
        async with self.database.write() as session:
            run = await book.take_up(session, command.correlation_id, progress.attempt)
        if run is None:
            log.info("the run has ended, or is further on", run_id=command.correlation_id)
            return Outcome()
        try:
            async with self.cancellations.interruptible(run["id"]), self._held(run):
                made, planned, dataset = await self._train(run, command, progress)
        except (JobWasCancelled, Superseded):
            return Outcome()
        except HandlingError as error:
            if error.transient and progress.attempt < self.deliveries:
                raise
            return Outcome(write=self._failure(run, command, error))
        return Outcome(write=self._success(run, command, made, planned, dataset))

    async def _train(
        self, run: RowMapping, command: TrainModel, progress: ProgressPublisher
    ) -> tuple[Made, PlannedVersion, DatasetSummary]:
        method = self.methods.get(run["method"])
        if method is None:
            raise NotThereYet(run["method"])
        await progress("dataset", "choosing, checking and splitting the examples")
        if run["dataset_digest"] is None and run["source"] is not None:
            run = await self.named.prepare(run)
        elif run["dataset_digest"] is None:
            await self.offering.for_run(run)
        dataset = await self.builder.of_run(run, command)
        question = PlanVersion(
            tenant=run["tenant"], run_id=run["id"], artifact_type=command.artifact_type, model=run["base"]
        )
        planned = await self.ask(question, PlannedVersion)
        async with self.database.write() as session:
            await book.keep(session, run, planned=planned.model_dump(mode="json"))
        await progress("training", f"{planned.name} of {planned.model} by {run['method']}")
        train = await asyncio.to_thread(self.builder.files.train, dataset.digest)
        made = await method(
            Assignment(
                run["id"], run["tenant"], run["fence"], planned, dataset, train, run["settings"], progress
            )
        )
        return made, planned, dataset

    @asynccontextmanager
    async def _held(self, run: RowMapping) -> AsyncIterator[None]:
        """The watchdog sees that the work goes on; the work stops when the run is another's. Raises Superseded."""
        work = asyncio.current_task()
        assert work is not None
        lost = False

        async def touch() -> None:
            nonlocal lost
            while True:
                await asyncio.sleep(_TOUCH_S)
                try:
                    async with self.database.write(durable=False) as session:
                        lost = await book.change(session, run["id"], book.held_by(run["fence"])) is None
                except DatabaseUnavailable as error:
                    log.warning("a run's sign of life is not written", error=str(error))
                if lost:
                    work.cancel()
                    return

        touching = asyncio.create_task(touch())
        try:
            yield
        except asyncio.CancelledError:
            if lost and work.uncancel() == 0:
                raise Superseded(run["id"]) from None
            raise
        finally:
            touching.cancel()

    def _success(
        self,
        run: RowMapping,
        command: TrainModel,
        made: Made,
        planned: PlannedVersion,
        dataset: DatasetSummary,
    ) -> Any:
        async def write(session: AsyncSession) -> None:
            told = {"parameters": made.parameters, "figures": made.figures}
            row = await book.advance(session, run["id"], "deploying", book.held_by(run["fence"]), **told)
            if row is None:
                return  # cancelled meanwhile, or taken up by another
            same = {"artifact_type": command.artifact_type, "method": command.method}
            completed = TrainingCompleted.caused_by(
                command, **same, planned=planned, dataset=dataset, weights_uri=made.weights_uri, prompt=made.prompt,
                **told, code_version=importlib.metadata.version("hone-trainer"),
            )  # fmt: skip
            announce(session, completed)

        return write

    def _failure(self, run: RowMapping, command: TrainModel, error: HandlingError) -> Any:
        bad = error.examples if isinstance(error, DatasetBad) else None

        async def write(session: AsyncSession) -> None:
            if await book.find_held(session, run) and await ending.failed(
                session, run, error.body(), self.tries, bad
            ):
                announce(session, failure(command, error.body()))

        return write


def failure(command: TrainModel, error: ErrorBody) -> TrainingFailed:
    same = {"artifact_type": command.artifact_type, "method": command.method}
    return TrainingFailed.caused_by(command, **same, error=error)
