"""The event stream of a job (server-sent events): resumable, bounded, and sure to end with the job."""

import asyncio
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass
from time import monotonic
from typing import Any

from hone_chassis.database import Database
from hone_chassis.errors import DatabaseUnavailable
from hone_chassis.logs import get_logger
from hone_contracts.jobs import JobState
from hone_contracts.messages import JobProgressed
from hone_gateway import metrics
from hone_gateway.jobs import book
from hone_gateway.jobs.feeds import Feed, Feeds
from hone_gateway.tables import JobRow

log = get_logger(__name__)

HEARTBEAT = ": still here\n\n"


def sse(event: str, data: dict[str, Any], sequence: int | None = None) -> str:
    """One server-sent event. JSON has no line breaks of its own, so one data line holds it."""
    numbered = f"id: {sequence}\n" if sequence is not None else ""
    return f"{numbered}event: {event}\ndata: {json.dumps(data, ensure_ascii=False)}\n\n"


def told_event(told: JobProgressed) -> str:
    if told.kind == "token":
        data = {"attempt": told.attempt, "stage": told.stage, "token": told.token}
        return sse("token", data, told.sequence)
    return sse("progress", {"attempt": told.attempt, **book.progress_of(told)}, told.sequence)


@dataclass(frozen=True)
class EventStreams:
    database: Database
    feeds: Feeds
    heartbeat_s: float
    poll_s: float

    async def stream(self, row: JobRow, last_seen: int | None) -> AsyncIterator[str]:
        """Events of the job from ``last_seen`` on; from what is still known when None. Ends after ``done``."""
        with self.feeds.watch(row.id) as feed, metrics.EVENT_STREAMS.track_inprogress():
            row = await self._again(row)  # it may have ended before we began to watch
            complete = last_seen is not None and feed.knows_all_since(last_seen)
            seen, spoke_at = last_seen or 0, monotonic()
            while not self.feeds.closed:
                changed = feed.changed
                if not complete and not JobState(row.state).ended:
                    yield sse("snapshot", shown(row, feed))
                for told in feed.since(seen):
                    yield told_event(told)
                    seen = told.sequence
                if JobState(row.state).ended:
                    yield sse("done", book.document(row))
                    return
                if feed.ended or not await _within(changed, self.poll_s):
                    row = await self._again(row)
                else:
                    spoke_at = monotonic()
                if monotonic() - spoke_at >= self.heartbeat_s:
                    yield HEARTBEAT
                    spoke_at = monotonic()
                # What came faster than this watcher read may be gone from the feed.
                complete = seen >= feed.evicted_to

    async def _again(self, row: JobRow) -> JobRow:
        """The row as it is now, or as it was when the database does not answer."""
        try:
            async with self.database.read() as session:
                return await book.find(session, row.id, row.tenant)
        except DatabaseUnavailable as error:
            log.warning("cannot look at a watched job", job_id=row.id, error=str(error))
            return row


def shown(row: JobRow, feed: Feed | None) -> dict[str, Any]:
    """The job, with what was heard since its row was written."""
    document = book.document(row)
    last = feed.last if feed is not None else None
    if last is not None and not JobState(row.state).ended and last.attempt >= row.attempt:
        document |= {
            "state": JobState.RUNNING.value,
            "attempt": last.attempt,
            "progress": book.progress_of(last),
        }
    return document


async def _within(changed: asyncio.Event, limit_s: float) -> bool:
    try:
        async with asyncio.timeout(limit_s):
            return await changed.wait()
    except TimeoutError:
        return False
