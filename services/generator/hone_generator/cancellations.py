"""Jobs that were cancelled: work on them stops, and none is begun."""

import asyncio
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager

from hone_chassis.database import Database
from hone_contracts.job_messages import JobCancelled
from hone_contracts.messages import Message
from sqlmodel.ext.asyncio.session import AsyncSession

from hone_generator.tables import CancelledJob


class JobWasCancelled(Exception):
    """Its client wants no answer any more."""


class Cancellations:
    """Cancellations come twice: stored, for work that has not begun; and at once, for work in hand."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._in_hand: dict[str, asyncio.Timeout] = {}

    async def record(self, message: JobCancelled, session: AsyncSession) -> Iterable[Message]:
        """The stored way, once for all replicas."""
        await session.merge(CancelledJob(job_id=message.correlation_id))
        return ()

    async def interrupt(self, body: bytes) -> None:
        """The quick way, to every replica."""
        job_id = JobCancelled.model_validate_json(body).correlation_id
        if (work := self._in_hand.get(job_id)) is not None:
            work.reschedule(asyncio.get_running_loop().time())

    @asynccontextmanager
    async def interruptible(self, job_id: str) -> AsyncIterator[None]:
        """Raises JobWasCancelled in the block's place when the job is, or becomes, cancelled."""
        async with self._database.read() as session:
            if await session.get(CancelledJob, job_id) is not None:
                raise JobWasCancelled
        work = asyncio.timeout(None)
        try:
            async with work:
                self._in_hand[job_id] = work
                yield
        except TimeoutError:
            if work.expired():
                raise JobWasCancelled from None
            raise
        finally:
            self._in_hand.pop(job_id, None)
