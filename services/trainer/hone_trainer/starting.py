"""Starts runs: by itself when a batch is there, or because a person asked.

The examples are claimed, the run is written and its messages are announced in one transaction that holds the type.
So a batch starts one run, whatever is delivered again, restarted, or runs as a replica.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import insert, select
from sqlmodel.ext.asyncio.session import AsyncSession

from hone_chassis import announce
from hone_chassis.database import Database
from hone_chassis.errors import HandlingError
from hone_chassis.logs import get_logger
from hone_chassis.loop_policy import LoopPolicy
from hone_chassis.tables import table_of, utc_now
from hone_contracts.artifacts import ArtifactType
from hone_contracts.ids import new_id
from hone_contracts.messages import Message
from hone_contracts.training import Method, StartTraining, TrainingFailed, TrainingStarted, Trigger
from hone_trainer.errors import RunUnderWay, TooFewExamples
from hone_trainer.pool import claims
from hone_trainer.pool.tables import PoolTypeRow
from hone_trainer.pool.tally import Tally
from hone_trainer.pool.weights import allowance
from hone_trainer.runs import book, repeating, workers
from hone_trainer.runs.placing import command_for, place_for
from hone_trainer.runs.tables import RunRow
from hone_trainer.training import Methods
from hone_trainer.trigger import Situation, holds

log = get_logger(__name__)

_TYPES = table_of(PoolTypeRow)


def local_now() -> datetime:
    return datetime.now().astimezone()


@dataclass(frozen=True)
class Starter:
    policy: LoopPolicy
    methods: Methods
    clock: Callable[[], datetime] = local_now

    async def look(self, tally: Tally) -> None:
        """Start a run of the type if nothing holds it back. ``tally`` has been written."""
        if tally.new < self.policy.batch_examples:
            return
        situation = await self.situation(tally)
        if found := holds(self.policy, situation):
            log.info("no run starts", artifact_type=tally.artifact_type, holds=found)
            return
        method = self.methods.of(ArtifactType(tally.artifact_type))
        assert method is not None, "trouble says so"
        size = self.policy.batch_examples
        run = _Start(new_id("job"), tally.tenant, tally.artifact_type, method, "examples")
        claimed = await claims.claim(
            tally, run.batch, size, allowance(size, self.policy.person_share, situation.given)
        )
        assert claimed == size, f"the counts promised {size} examples, there are {claimed}"
        await self._begin(tally, run, claimed)

    async def situation(self, tally: Tally) -> Situation:
        now = self.clock()
        return Situation(
            now=now,
            given=await claims.given(tally, now - self.policy.active),
            last_started_at=tally.row["last_started_at"],
            running=await book.active(tally.session, tally.tenant, tally.artifact_type),
            trouble=self.methods.trouble(ArtifactType(tally.artifact_type)),
        )

    async def tick(self, database: Database) -> None:
        """Look at every type that has come to a batch: a window may have opened, an interval passed, a run ended."""
        enough = select(_TYPES.c.tenant, _TYPES.c.artifact_type).where(
            _TYPES.c.new >= self.policy.batch_examples
        )
        async with database.read() as session:
            types = (await (await session.connection()).execute(enough)).all()
        for tenant, artifact_type in types:
            async with database.write() as session:
                await self.look(await Tally.held(session, tenant, artifact_type))

    async def by_hand(self, message: StartTraining, session: AsyncSession) -> Iterable[Message]:
        """Handles ``StartTraining``: a run with what there is."""
        tally = await Tally.held(session, message.tenant, message.artifact_type)
        try:
            await self._begin_by_hand(tally, message)
        except HandlingError as error:
            if error.transient:
                raise
            same = {"artifact_type": message.artifact_type, "method": message.method}
            return [TrainingFailed.caused_by(message, **same, error=error.body())]
        return ()

    async def _begin_by_hand(self, tally: Tally, message: StartTraining) -> None:
        self.methods.check(message.method)
        if message.repeats is not None:
            message = await repeating.as_then(tally.session, message)
        running = await book.active(tally.session, tally.tenant, tally.artifact_type)
        if running is not None:
            raise RunUnderWay(message.artifact_type, running)
        run = _Start(
            message.correlation_id, message.tenant, message.artifact_type, message.method, "manual", message
        )
        claimed = 0
        if message.dataset is None:
            there = tally.new + tally.row["used"]
            if there < self.policy.least_examples:
                raise TooFewExamples(message.artifact_type, there, self.policy.least_examples)
            # A person decided on this run; that nobody dominates it is for the weights to see to.
            claimed = await claims.claim(tally, run.batch, claims.MOST_BY_HAND, claims.MOST_BY_HAND)
        await self._begin(tally, run, claimed)

    async def _begin(self, tally: Tally, run: "_Start", examples: int) -> None:
        row = run.row(examples)
        row["place"] = place_for(run.method, row["settings"], await workers.alive(tally.session))
        command = command_for(row, cause=run.cause)
        row["command"] = str(command.message_id)
        await (await tally.session.connection()).execute(insert(book.RUNS), row)
        await tally.write(last_started_at=utc_now())
        announce(tally.session, run.started(examples), command)
        log.info("a run starts", run_id=run.run_id, artifact_type=run.artifact_type, examples=examples)


@dataclass(frozen=True)
class _Start:
    run_id: str
    tenant: str
    artifact_type: str
    method: Method
    trigger: Trigger
    asked: StartTraining | None = None

    @property
    def batch(self) -> str:
        """A run has one batch, and a batch one run."""
        return self.run_id.replace("job_", "batch_")

    def row(self, examples: int) -> dict[str, Any]:
        asked = self.asked
        run = RunRow(
            id=self.run_id,
            tenant=self.tenant,
            artifact_type=self.artifact_type,
            method=self.method,
            trigger=self.trigger,
            state="queued",
            batch=self.batch,
            examples=examples,
            base=asked.base if asked else None,
            source=asked.dataset if asked else None,
            settings=asked.settings if asked else {},
        )
        return run.model_dump()

    @property
    def cause(self) -> UUID | None:
        return self.asked.message_id if self.asked else None

    def started(self, examples: int) -> TrainingStarted:
        return TrainingStarted(
            correlation_id=self.run_id,
            causation_id=self.cause,
            tenant=self.tenant,
            artifact_type=ArtifactType(self.artifact_type),
            method=self.method,
            trigger=self.trigger,
            examples=examples,
        )
