"""How many examples there are of a type: read from counts that are kept, not counted."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import select
from sqlalchemy.engine import RowMapping

from hone_chassis.database import Database
from hone_chassis.tables import table_of
from hone_contracts.artifacts import ArtifactType
from hone_contracts.pool import CountExamples, PoolCount, PoolCounts
from hone_trainer.pool.tables import GOOD, WAITING, PoolTypeRow
from hone_trainer.pool.tally import Tally
from hone_trainer.starting import Starter
from hone_trainer.trigger import holds

_TYPES = table_of(PoolTypeRow)


class Counts:
    """Answers ``CountExamples``."""

    def __init__(self, database: Database, starter: Starter) -> None:
        self._database, self._starter = database, starter

    async def count(self, question: CountExamples) -> PoolCounts:
        query = select(_TYPES).where(_TYPES.c.tenant == question.tenant).order_by(_TYPES.c.artifact_type)
        if question.artifact_type is not None:
            query = query.where(_TYPES.c.artifact_type == question.artifact_type.value)
        async with self._database.read() as session:
            rows: Sequence[RowMapping] = (await (await session.connection()).execute(query)).mappings().all()
            return PoolCounts(types=tuple([await self._shown(Tally(session, dict(row))) for row in rows]))

    async def _shown(self, tally: Tally) -> PoolCount:
        row: dict[str, Any] = tally.row
        policy = self._starter.policy
        situation = await self._starter.situation(tally)
        return PoolCount(
            artifact_type=ArtifactType(tally.artifact_type),
            good=sum(row[state] for state in GOOD),
            new=row["new"],
            corrected=row["corrected"],
            waiting={state: row[state] for state in WAITING if row[state]},
            needed=policy.batch_examples,
            holds=tuple(holds(policy, situation)),
            running=situation.running,
        )
