"""What nobody needs any more goes once a model is served, or at the next start."""

import asyncio

from hone_chassis import Running, Transient
from hone_chassis.database import Database
from hone_chassis.logs import get_logger
from hone_hub.adding import tables
from hone_hub.adding.tables import AddedModelRow
from hone_hub.adding.used import Tidying, Used

log = get_logger(__name__)


class Sweep:
    """Over all models that are recorded: what they use and do not keep."""

    def __init__(self, database: Database, tidying: Tidying) -> None:
        self._database, self._tidying = database, tidying
        self._due = asyncio.Event()
        self._due.set()  # at the start: a hub may have been killed before it came to it

    def soon(self) -> None:
        self._due.set()

    async def keep_sweeping(self, _running: Running) -> None:
        """As long as the service runs."""
        while True:
            await self._due.wait()
            self._due.clear()
            try:
                await self.over_all()
            except (Transient, OSError) as error:
                log.warning("what is not needed any more could not be removed", error=str(error))

    async def over_all(self) -> None:
        async with self._database.read() as session:
            rows = await tables.every(session)
        for row in rows:
            if not row.tidy:
                await self._tidy(row, [Used.model_validate(each.used) for each in rows if each is not row])

    async def _tidy(self, row: AddedModelRow, others: list[Used]) -> None:
        if not await self._tidying.tidy(Used.model_validate(row.used), others):
            return  # a job is at work on the same; its own sweep comes
        async with self._database.write() as session:
            there = await session.get(AddedModelRow, (row.tenant, row.name))
            if there is not None and there.job_id == row.job_id:
                there.tidy = True
                session.add(there)
