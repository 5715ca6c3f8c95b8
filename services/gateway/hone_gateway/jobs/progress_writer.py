"""Progress as it is heard: to the watchers at once, to the job rows at most once per pause."""

import asyncio
from dataclasses import dataclass, field

from pydantic import ValidationError

from hone_chassis import Running
from hone_chassis.database import Database
from hone_chassis.errors import DatabaseUnavailable
from hone_chassis.logs import get_logger
from hone_contracts.messages import JobProgressed
from hone_gateway.jobs.book import record_progress
from hone_gateway.jobs.feeds import Feeds

log = get_logger(__name__)


@dataclass
class ProgressWriter:
    """Only the last message of each job waits to be written; a job that ends first is not written at all."""

    database: Database
    feeds: Feeds
    pause_s: float
    _waiting: dict[str, JobProgressed] = field(default_factory=dict)
    _something: asyncio.Event = field(default_factory=asyncio.Event)

    async def hear(self, body: bytes) -> None:
        try:
            told = JobProgressed.model_validate_json(body)
        except ValidationError as error:
            log.warning("progress that does not fit its contract", error=str(error))
            return
        self.feeds.take(told)
        before = self._waiting.get(told.correlation_id)
        if before is None or told.kind == "progress" or before.kind == "token":
            self._waiting[told.correlation_id] = told
            self._something.set()

    def ended(self, job_id: str) -> None:
        self._waiting.pop(job_id, None)

    async def run(self, _running: Running) -> None:
        """Until cancelled."""
        while True:
            await self._something.wait()
            await asyncio.sleep(self.pause_s)
            await self.write()

    async def write(self) -> None:
        self._something.clear()
        told, self._waiting = list(self._waiting.values()), {}
        if not told:
            return
        try:
            async with self.database.write(durable=False) as session:
                await record_progress(session, told)
        except DatabaseUnavailable as error:
            log.warning("progress not written", error=str(error))
            self._waiting = {each.correlation_id: each for each in told} | self._waiting
            self._something.set()
