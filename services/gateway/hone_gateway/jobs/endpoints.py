"""Jobs over HTTP: list, show, watch, cancel."""

from typing import Annotated

from fastapi import APIRouter, Header, Query, Request
from sqlmodel.ext.asyncio.session import AsyncSession
from starlette.responses import JSONResponse, Response, StreamingResponse

from hone_chassis.database import Database
from hone_contracts.jobs import JobState
from hone_gateway.http.authentication import principal
from hone_gateway.http.idempotency import Answer, once
from hone_gateway.jobs import book
from hone_gateway.jobs.book import JobBook
from hone_gateway.jobs.events import EventStreams, shown

# X-Accel-Buffering: nginx would hold the events back.
_STREAM_HEADERS = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}


def accepted(job_id: str) -> Answer:
    """202, and where to watch."""
    status_url = f"/api/jobs/{job_id}"
    document = {"job_id": job_id, "status_url": status_url, "events_url": f"{status_url}/events"}
    return Answer.json(202, document, location=status_url)


def router(database: Database, jobs: JobBook, streams: EventStreams) -> APIRouter:
    routes = APIRouter(tags=["jobs"])

    @routes.get("/api/jobs")
    async def newest(
        request: Request, limit: Annotated[int, Query(ge=1, le=200)] = 50, state: JobState | None = None
    ) -> Response:
        """The newest jobs."""
        async with database.read() as session:
            rows = await book.newest(session, principal(request).tenant, state, limit)
        return JSONResponse({"jobs": [shown(row, streams.feeds.peek(row.id)) for row in rows]})

    @routes.get("/api/jobs/{job_id}")
    async def show(job_id: str, request: Request) -> Response:
        """Where a job stands."""
        async with database.read() as session:
            row = await book.find(session, job_id, principal(request).tenant)
        return JSONResponse(shown(row, streams.feeds.peek(job_id)))

    @routes.get("/api/jobs/{job_id}/events")
    async def events(
        job_id: str, request: Request, last_event_id: Annotated[int | None, Header(ge=0)] = None
    ) -> Response:
        """A job's events as they happen: snapshot, progress, token, and done, which carries the job."""
        async with database.read() as session:
            row = await book.find(session, job_id, principal(request).tenant)
        stream = streams.stream(row, last_event_id)
        return StreamingResponse(stream, headers=_STREAM_HEADERS, media_type="text/event-stream")

    @routes.post("/api/jobs/{job_id}/cancel")
    async def cancel(job_id: str, request: Request) -> Response:
        """End a job as cancelled. Whoever works on it hears of it, and its result is not taken."""

        async def work(session: AsyncSession) -> Answer:
            row = await jobs.cancel(session, job_id, principal(request).tenant)
            return Answer.json(200, book.document(row))

        return await once(database, request, work)

    return routes
