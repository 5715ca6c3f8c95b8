"""Ends runs whose next message never came: a worker was killed for good, a deployment or evaluation was lost."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from sqlalchemy.engine import RowMapping

from hone_chassis import announce
from hone_chassis.database import Database
from hone_chassis.logs import get_logger
from hone_chassis.tables import utc_now
from hone_contracts.training import TrainingFailed
from hone_trainer.errors import NextStepLost
from hone_trainer.runs import book, ending
from hone_trainer.settings import TrainerSettings

log = get_logger(__name__)


@dataclass
class Watchdog:
    """A wait begins anew when the service starts: while everything was down, nothing could be heard."""

    database: Database
    settings: TrainerSettings
    tries: int
    clock: Callable[[], datetime] = utc_now
    started_at: datetime = field(default_factory=utc_now)

    async def tick(self) -> None:
        async with self.database.read() as session:
            runs = await book.waiting(session)
        for run in runs:
            if self.clock() > self._until(run):
                await self._give_up(run)

    def _until(self, run: RowMapping) -> datetime:
        heard_at: datetime = run["updated_at"]
        return max(heard_at, self.started_at) + timedelta(seconds=self._limit_s(run["state"]))

    def _limit_s(self, state: str) -> float:
        limits = {"queued": self.settings.queue_limit_s, "training": self.settings.training_limit_s}
        return limits.get(state, self.settings.next_step_limit_s)

    async def _give_up(self, seen: RowMapping) -> None:
        async with self.database.write() as session:
            run = await book.find(session, seen["id"])
            if run is None or run["updated_at"] != seen["updated_at"]:
                return  # it was heard of in between
            error = NextStepLost(run["state"], self._limit_s(run["state"])).body()
            if await ending.failed(session, run, error, self.tries):
                log.warning("a run was given up", run_id=run["id"], state=run["state"])
                same = {
                    "artifact_type": run["artifact_type"],
                    "method": run["method"],
                    "tenant": run["tenant"],
                }
                announce(
                    session,
                    TrainingFailed.model_validate(same | {"correlation_id": run["id"], "error": error}),
                )
