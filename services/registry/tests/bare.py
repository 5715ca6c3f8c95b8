"""A registry's handlers on a database of their own, without a broker: what they announce is kept."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TypeVar

from sqlmodel import SQLModel, select

from hone_chassis.database import Database
from hone_chassis.handling import run_short
from hone_chassis.loop_policy import LoopPolicy
from hone_chassis.migrations import migrate
from hone_chassis.tables import OutboxRow
from hone_contracts import catalog
from hone_contracts.deployment import DeploymentFailed, ModelDeployed
from hone_contracts.evaluation import EvaluationCompleted, EvaluationFailed
from hone_contracts.feedback import FeedbackRecorded
from hone_contracts.generation import ArtifactGenerated, GenerationFailed
from hone_contracts.hub_models import ModelAdded
from hone_contracts.job_messages import JobCancelled
from hone_contracts.messages import Message
from hone_contracts.training import TrainingFailed
from hone_registry import app, planning
from hone_registry.added import Added
from hone_registry.apply import RoutesFiles
from hone_registry.deployed import Deployed
from hone_registry.evaluations import Evaluations
from hone_registry.first_start import bring_up_to_date
from hone_registry.live import Live
from hone_registry.promotion import ByHand
from hone_registry.release import Releases
from hone_registry.starter import ShippedModel
from hone_registry.watching import Watchers
from hone_registry.whole.answers import WholeRegistry

T = TypeVar("T", bound=SQLModel)


async def _published(_within_s: float) -> bool:
    return True


def _wake() -> None:
    pass


class Bare:
    def __init__(self, database: Database, policy: LoopPolicy) -> None:
        self.database = database
        self.planning = planning.Planning(database, _wake)
        self.by_hand = ByHand(database, policy, _published)
        self.whole = WholeRegistry(database, policy, _published)
        self.routes = RoutesFiles(database, _published)
        self.releases = Releases(database)
        self.live = Live(database, Watchers(policy, _wake), policy)
        evaluations = Evaluations(database, policy, _wake)
        self._handlers = {
            TrainingFailed: planning.training_failed,
            DeploymentFailed: planning.deployment_failed,
            JobCancelled: planning.job_cancelled,
            ModelDeployed: Deployed(database).deployed,
            EvaluationCompleted: evaluations.completed,
            EvaluationFailed: evaluations.failed,
            ArtifactGenerated: self.live.generated,
            GenerationFailed: self.live.failed,
            FeedbackRecorded: self.live.said,
            ModelAdded: Added(database, _wake).added,
        }

    async def deliver(self, message: Message) -> None:
        await run_short(self.database, "test", message, self._handlers[type(message)])  # type: ignore[arg-type]

    async def announced(self) -> list[Message]:
        rows = await self.rows(OutboxRow)
        ordered = sorted(rows, key=lambda row: row.id or 0)
        return [catalog.BY_SUBJECT[row.subject].model_validate_json(row.body) for row in ordered]

    async def rows(self, table: type[T]) -> Sequence[T]:
        async with self.database.read() as session:
            return (await session.exec(select(table))).all()


@asynccontextmanager
async def bare(url: str, policy: LoopPolicy, starter: Path | None = None) -> AsyncIterator[Bare]:
    database = Database(url, "registry")
    await migrate(database, "hone_registry", app.HEAD)
    if starter is not None:
        await bring_up_to_date(database, ShippedModel(starter, "a" * 64, 7, {"seed": 7}))
    yield Bare(database, policy)
    await database.aclose()
