"""Works on ``TrainModel``: the dataset, the plan, the version.

Safe to be interrupted anywhere and begun again: each worker that takes the run up has a fencing token, the dataset
and the plan of an earlier one are found again, and files have their attempt in their names.
"""

import asyncio
import importlib.metadata
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractAsyncContextManager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from sqlalchemy.engine import RowMapping
from sqlmodel.ext.asyncio.session import AsyncSession

from hone_chassis import Outcome, ProgressPublisher, announce
from hone_chassis.cancellations import Cancellations, JobWasCancelled
from hone_chassis.database import Database
from hone_chassis.errors import HandlingError
from hone_chassis.logs import get_logger
from hone_contracts.errors import ErrorBody
from hone_contracts.registry import PlanVersion, PromptVersion
from hone_contracts.training import (
    DatasetSummary,
    Method,
    PlannedVersion,
    TrainingCompleted,
    TrainingFailed,
    TrainModel,
)
from hone_trainer.asking import Asking
from hone_trainer.errors import DatasetBad, NotThereYet, ProcessDied, Superseded
from hone_trainer.examples import Example
from hone_trainer.runs import book, ending, workers
from hone_trainer.runs.curves import Curves
from hone_trainer.runs.dataset import Builder
from hone_trainer.runs.holding import HandBack, Hold, LetGo
from hone_trainer.runs.named import NamedDatasets
from hone_trainer.runs.offering import Offering
from hone_trainer.runs.placing import command_for

log = get_logger(__name__)

_DISK_FULL = "tuning_disk_full"
_TOO_LITTLE_MEMORY = "tuning_not_enough_memory"


@dataclass(frozen=True)
class Assignment:
    """What a method makes a version from. ``fence`` is part of the names of its files; a process that trains is run
    with the ``hold``, so that it ends as is wanted of the run."""

    run_id: str
    tenant: str
    method: Method
    fence: int
    planned: PlannedVersion
    dataset: DatasetSummary
    train: list[tuple[Example, float]]
    settings: Mapping[str, Any]
    progress: ProgressPublisher
    hold: Hold


@dataclass(frozen=True)
class Made:
    """One of ``weights_uri`` and ``prompt`` is set. ``gguf_uri``: the file of these weights that was measured
    already, and is to be served as it is."""

    weights_uri: str | None
    prompt: PromptVersion | None
    parameters: dict[str, Any]
    figures: dict[str, Any]
    gguf_uri: str | None = None
    gguf_sha256: str | None = None


class MakeVersion(Protocol):
    """A method of training. Raises HandlingError."""

    async def __call__(self, assignment: Assignment) -> Made: ...


@dataclass(frozen=True)
class Worker:
    """``save_s`` is how long a process may take for its checkpoint; ``root`` the folder of all runs' files."""

    database: Database
    cancellations: Cancellations
    builder: Builder
    named: NamedDatasets
    offering: Offering
    ask: Asking
    methods: Mapping[str, MakeVersion]
    root: Path
    tries: int
    deliveries: int
    save_s: float
    stopping: Callable[[], bool]
    in_hand: dict[str, Hold] = field(default_factory=dict)

    async def __call__(self, command: TrainModel, progress: ProgressPublisher) -> Outcome:
        async with self.database.write() as session:
            run = await book.take_up(session, command.correlation_id, command.message_id)
        if run is None:
            log.info("the run has ended, is paused, or is further on", run_id=command.correlation_id)
            return Outcome()
        delivery, progress = progress.attempt, progress.numbered(run["attempt"])
        try:
            with self._holding(run) as hold:
                async with self.cancellations.interruptible(run["id"]), hold.kept(), self._curve(run):
                    made, planned, dataset = await self._train(run, command, progress, hold)
        except (JobWasCancelled, Superseded, LetGo) as left:
            log.info("the run was let go", run_id=run["id"], why=repr(left))
            if isinstance(left, LetGo) and left.state == "paused":  # after the last step that was told
                await progress("paused", f"`hone jobs resume {run['id']}` goes on with it")
            return Outcome()
        except HandBack:
            return Outcome(write=_hand_back(run))
        except HandlingError as error:
            if error.transient and delivery < self.deliveries and not self._ends_with_us(error):
                raise
            return await self._without_version(error, command, progress, hold)
        return Outcome(write=self._success(run, command, made, planned, dataset))

    def _ends_with_us(self, error: HandlingError) -> bool:
        """What ends a service may end its processes as well: the run has not failed, and need not wait its turn."""
        return isinstance(error, ProcessDied) and self.stopping()

    async def _without_version(
        self, error: HandlingError, command: TrainModel, progress: ProgressPublisher, hold: Hold
    ) -> Outcome:
        if self._ends_with_us(error):
            return Outcome(write=_hand_back(hold.run))
        if (
            error.code == _TOO_LITTLE_MEMORY
            and hold.run["place"] == "card"
            and await self._is_alive("large_card")
        ):
            await progress("queued", f"{error.detail}: it goes to a worker with a larger card"[:500])
            return Outcome(write=_hand_back(hold.run, "large_card"))
        if error.code == _DISK_FULL and hold.checkpoints:
            await progress("paused", f"{error.detail}: `hone jobs resume {hold.run_id}`"[:500])
            return Outcome(write=_pause(hold.run, error))
        return Outcome(write=self._failure(hold.run, command, error))

    async def _is_alive(self, place: str) -> bool:
        async with self.database.read() as session:
            return any(place in each.places for each in await workers.alive(session))

    def save_needs_s(self) -> float:
        """When the service stops: what runs in hand need to write their checkpoints and be handed back."""
        return max((2 + self.save_s for hold in self.in_hand.values() if hold.checkpoints), default=0.0)

    @contextmanager
    def _holding(self, run: RowMapping) -> Iterator[Hold]:
        hold = self.in_hand[run["id"]] = Hold(self.database, run, self.stopping, self.save_s)
        try:
            yield hold
        finally:
            if self.in_hand.get(run["id"]) is hold:
                del self.in_hand[run["id"]]

    def _curve(self, run: RowMapping) -> AbstractAsyncContextManager[None]:
        metrics = self.root / run["id"] / f"worker-{run['fence']}" / "metrics.jsonl"
        return Curves(self.database).followed(run["id"], metrics)

    async def _train(
        self, run: RowMapping, command: TrainModel, progress: ProgressPublisher, hold: Hold
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
                run["id"],
                run["tenant"],
                run["method"],
                run["fence"],
                planned,
                dataset,
                train,
                run["settings"],
                progress,
                hold,
            )
        )
        return made, planned, dataset

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
                gguf_uri=made.gguf_uri, gguf_sha256=made.gguf_sha256, **told,
                code_version=importlib.metadata.version("hone-trainer"),
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


def _pause(run: RowMapping, error: HandlingError) -> Any:
    """Somebody has to make room first, and then it can go on."""

    async def write(session: AsyncSession) -> None:
        if await book.pause(session, run["id"], book.held_by(run["fence"]), error=error.body()) is not None:
            log.warning("the run is paused", run_id=run["id"], error=error.detail)

    return write


def _hand_back(run: RowMapping, place: str | None = None) -> Any:
    """At once to whoever is free, by a command of its own: the one in hand would count as a failed delivery."""

    async def write(session: AsyncSession) -> None:
        to = place or run["place"]
        again = command_for(run, to)
        still = (book.held_by(run["fence"]), book.in_state("training"))
        if await book.queue(session, run["id"], again.message_id, *still, place=to) is not None:
            announce(session, again)
            log.info("the run is handed back", run_id=run["id"], place=to)

    return write


def failure(command: TrainModel, error: ErrorBody) -> TrainingFailed:
    same = {"artifact_type": command.artifact_type, "method": command.method}
    return TrainingFailed.caused_by(command, **same, error=error)
