"""Jobs that were cancelled: work on them stops, and none is begun. For services with long handlers."""

import asyncio
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from typing import ClassVar, Self

from sqlalchemy import MetaData, delete
from sqlmodel import Field, SQLModel, col
from sqlmodel.ext.asyncio.session import AsyncSession

from hone_chassis.database import Database
from hone_chassis.service import Service
from hone_chassis.tables import UtcDateTime, utc_now
from hone_contracts.job_messages import JobCancelled
from hone_contracts.messages import Message

_KEEP = timedelta(days=30)  # no command waits longer for its turn


class JobWasCancelled(Exception):
    """Its client wants no answer any more."""


class CancelledJobRow(SQLModel, table=True):
    """A job that was cancelled, perhaps before its command came.

    Its metadata is its own, for not every service has it. Created by ``migrations.create_cancelled_jobs``.
    """

    __tablename__ = "cancelled_jobs"
    metadata: ClassVar[MetaData] = MetaData()

    job_id: str = Field(primary_key=True)
    cancelled_at: datetime = Field(default_factory=utc_now, sa_type=UtcDateTime)


class Cancellations:
    """Cancellations come twice: stored, for work that has not begun; and at once, for work in hand."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._in_hand: dict[str, asyncio.Timeout] = {}

    @classmethod
    def of(cls, service: Service) -> Self:
        cancellations = cls(service.database)
        service.handles(JobCancelled, cancellations.record)
        service.hears(JobCancelled.subject, cancellations.interrupt)
        return cancellations

    async def record(self, message: JobCancelled, session: AsyncSession) -> Iterable[Message]:
        """The stored way, once for all replicas."""
        old = col(CancelledJobRow.cancelled_at) < utc_now() - _KEEP
        await session.exec(delete(CancelledJobRow).where(old))
        await session.merge(CancelledJobRow(job_id=message.correlation_id))
        return ()

    async def interrupt(self, body: bytes) -> None:
        """The quick way, to every replica."""
        job_id = JobCancelled.model_validate_json(body).correlation_id
        if (work := self._in_hand.get(job_id)) is not None:
            work.reschedule(asyncio.get_running_loop().time())

    @asynccontextmanager
    async def interruptible(self, job_id: str) -> AsyncIterator[None]:
        """Raises JobWasCancelled in the block's place when the job is, or becomes, cancelled."""
        work = asyncio.timeout(None)
        try:
            async with work:
                # In hand before the look at the database: a cancellation comes by one way or the other.
                self._in_hand[job_id] = work
                async with self._database.read() as session:
                    if await session.get(CancelledJobRow, job_id) is not None:
                        raise JobWasCancelled
                yield
        except TimeoutError:
            if work.expired():
                raise JobWasCancelled from None
            raise
        finally:
            self._in_hand.pop(job_id, None)
