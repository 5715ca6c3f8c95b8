"""The workers that are alive, by what they tell of themselves in a table: what they have, and who is busy."""

import asyncio
import os
import socket
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from time import monotonic
from typing import Any

from sqlalchemy import delete, select, update
from sqlalchemy.engine import RowMapping
from sqlmodel.ext.asyncio.session import AsyncSession

from hone_chassis import Running
from hone_chassis.database import Database, insert_new
from hone_chassis.errors import DatabaseUnavailable
from hone_chassis.logs import get_logger
from hone_chassis.tables import table_of, utc_now
from hone_contracts.ids import new_id
from hone_contracts.training import CheckEnvironments, Environments, WorkerEnvironment
from hone_trainer.runs.placing import Alive, places_in
from hone_trainer.runs.tables import WorkerRow

log = get_logger(__name__)

_WORKERS = table_of(WorkerRow)
_W = _WORKERS.c

_TELL_EVERY_S = 10.0
_LOOK_EVERY_S = 60.0
HEARD_WITHIN = timedelta(seconds=35)  # three words missed, and a little
_FORGOTTEN_AFTER = timedelta(days=1)


def name_of_this() -> str:
    """Host and process, as people look for them, and what tells it from an earlier one of the same number."""
    return f"{socket.gethostname()[:60]}-{os.getpid()}-{new_id('job')[-6:]}"


async def heard_of(session: AsyncSession, now: datetime | None = None) -> Sequence[RowMapping]:
    """Those that told of themselves lately, in the order of their names."""
    query = select(_WORKERS).where(_W.seen_at >= (now or utc_now()) - HEARD_WITHIN).order_by(_W.id)
    return (await (await session.connection()).execute(query)).mappings().all()


async def alive(session: AsyncSession) -> list[Alive]:
    return [Alive(frozenset(row["places"]), row["run_id"] is not None) for row in await heard_of(session)]


@dataclass
class Telling:
    """Of this worker: it tells the table every ten seconds that it is alive, and with what.

    ``look`` finds out what the machine has, once a minute, for free memory changes and a driver takes its time.
    """

    database: Database
    look: Callable[[], Awaitable[WorkerEnvironment]]
    in_hand: Callable[[], str | None]
    name: str = field(default_factory=name_of_this)
    _seen: WorkerEnvironment | None = None
    _looked_at: float = 0.0

    async def run(self, _running: Running) -> None:
        """Until it is cancelled; then the worker is gone from the table at once."""
        try:
            while True:
                try:
                    await self.tell()
                except DatabaseUnavailable as error:
                    log.warning("a worker's sign of life is not written", error=str(error))
                await asyncio.sleep(_TELL_EVERY_S)
        finally:
            with suppress(DatabaseUnavailable):
                await asyncio.shield(self._forget())

    async def tell(self, *, anew: bool = False) -> None:
        """``anew``: the machine is looked at again, whenever that was done last."""
        if anew:
            self._seen = None
        environment, now = await self._environment(), utc_now()
        told: dict[str, Any] = {
            "places": list(places_in(environment)),
            "environment": environment.model_copy(update={"worker": self.name}).model_dump(mode="json"),
            "run_id": self.in_hand(),
            "seen_at": now,
        }
        async with self.database.write(durable=False) as session:
            new = await insert_new(session, WorkerRow, {"id": self.name, "started_at": now} | told)
            connection = await session.connection()
            if new:
                old = _W.seen_at < now - _FORGOTTEN_AFTER
                await connection.execute(delete(_WORKERS).where(old))
            else:
                await connection.execute(update(_WORKERS).where(_W.id == self.name).values(**told))

    async def _environment(self) -> WorkerEnvironment:
        if self._seen is None or monotonic() >= self._looked_at + _LOOK_EVERY_S:
            self._seen, self._looked_at = await self.look(), monotonic()
        return self._seen

    async def _forget(self) -> None:
        async with self.database.write(durable=False) as session:
            await (await session.connection()).execute(delete(_WORKERS).where(_W.id == self.name))


@dataclass(frozen=True)
class Workers:
    """Answers what the workers that are alive have. ``own``: the one in this process looks at its machine first."""

    database: Database
    own: Callable[[], Awaitable[None]] | None = None

    async def check(self, _question: CheckEnvironments) -> Environments:
        if self.own is not None:
            await self.own()
        async with self.database.read() as session:
            rows = await heard_of(session)
        return Environments(
            workers=tuple(
                WorkerEnvironment.model_validate(row["environment"] | {"seen_at": row["seen_at"]})
                for row in rows
            )
        )
