"""Job rows and the only ways they change. Each change is guarded in SQL, so that a job ends exactly once."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from math import isfinite
from typing import Any

from sqlalchemy import and_, bindparam, case, insert, update
from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from hone_chassis import announce
from hone_chassis.database import insert_new, then
from hone_chassis.tables import table_of, utc_now
from hone_contracts.errors import ErrorBody
from hone_contracts.generation import GenerateArtifact
from hone_contracts.hub import ConvertModel
from hone_contracts.hub_models import AddModel, RemoveModel
from hone_contracts.job_messages import JobCancelled
from hone_contracts.jobs import ENDED, JobState
from hone_contracts.messages import Command, JobProgressed
from hone_contracts.training import StartTraining
from hone_gateway import metrics
from hone_gateway.errors import JobEnded, NoSuchJob
from hone_gateway.tables import JobRow, RequestRow


class JobKind(StrEnum):
    GENERATE = "generate"
    CONVERT = "convert"
    TRAIN = "train"
    ADD = "add"
    REMOVE = "remove"


KINDS: dict[type[Command], JobKind] = {
    GenerateArtifact: JobKind.GENERATE,
    ConvertModel: JobKind.CONVERT,
    StartTraining: JobKind.TRAIN,
    AddModel: JobKind.ADD,
    RemoveModel: JobKind.REMOVE,
}
_MOST_FIGURES = 24
_INTO_REQUESTS = insert(table_of(RequestRow))

# One comparison a state: a list in SQL cannot be prepared once for many rows.
_NOT_ENDED = and_(*(col(JobRow.state) != state.value for state in sorted(ENDED)))
# A quick job ends before any progress of it is written, and yet was tried.
_TRIED = case((col(JobRow.attempt) == 0, 1), else_=col(JobRow.attempt))


@dataclass(frozen=True)
class JobBook:
    """``ended`` is called with the id of each job that ended here, once that is committed."""

    ended: Callable[[str], None]

    async def accept(self, session: AsyncSession, command: Command, *, retry_of: str | None = None) -> str:
        """A new job with the command that starts it, both or neither; its id.

        ``retry_of`` is the message that is sent again: when a job for that is there already, it is that one.
        """
        kind, job_id = KINDS[type(command)], command.correlation_id
        if not await self._insert(session, job_id, kind, command.tenant, retry_of):
            return (await session.exec(select(JobRow.id).where(JobRow.retry_of == retry_of))).one()
        if isinstance(command, GenerateArtifact):
            await _keep_request(session, command)
        announce(session, command)
        return job_id

    async def begun(self, session: AsyncSession, job_id: str, kind: JobKind, tenant: str) -> None:
        """See that there is a job for what another service began by itself."""
        await self._insert(session, job_id, kind, tenant, None)

    async def _insert(
        self, session: AsyncSession, job_id: str, kind: JobKind, tenant: str, retry_of: str | None
    ) -> bool:
        now = utc_now()
        # As plain values: making the row object takes longer than all the rest of accepting a job.
        values = {"id": job_id, "kind": kind.value, "tenant": tenant, "retry_of": retry_of}
        begins = {"state": JobState.QUEUED.value, "attempt": 0, "created_at": now, "updated_at": now}
        inserted = await insert_new(session, JobRow, values | begins)
        if inserted:
            then(session, lambda: metrics.JOBS.labels(kind, JobState.QUEUED.value).inc())
        return inserted

    async def succeed(self, session: AsyncSession, job_id: str, result: Mapping[str, Any]) -> JobRow | None:
        """The row as it is now; None when the job had ended before, or was never here."""
        return await self._end(session, job_id, JobState.SUCCEEDED, result=dict(result), attempt=_TRIED)

    async def fail(
        self, session: AsyncSession, job_id: str, error: ErrorBody, more: Mapping[str, Any] | None = None
    ) -> JobRow | None:
        """As ``succeed``. ``more`` stands beside title and detail in the job's error."""
        body = {"title": error.title, "detail": error.detail, "code": error.code, **(more or {})}
        return await self._end(session, job_id, JobState.FAILED, error=body, attempt=_TRIED)

    async def cancel(self, session: AsyncSession, job_id: str, tenant: str) -> JobRow:
        """Raises NoSuchJob; JobEnded when it ended otherwise. Cancelling twice is cancelling once."""
        row = await find(session, job_id, tenant)
        cancelled = await self._end(session, job_id, JobState.CANCELLED)
        if cancelled is not None:
            announce(session, JobCancelled(correlation_id=job_id, tenant=tenant))
            return cancelled
        await session.refresh(row)
        if row.state != JobState.CANCELLED:
            raise JobEnded(job_id, row.state)
        return row

    async def _end(self, session: AsyncSession, job_id: str, state: JobState, **values: Any) -> JobRow | None:
        now = utc_now()
        statement = (
            update(JobRow)
            .where(col(JobRow.id) == job_id, _NOT_ENDED)
            .values(state=state.value, updated_at=now, finished_at=now, **values)
            .returning(JobRow)
            .execution_options(populate_existing=True)
        )
        row = (await session.exec(statement)).scalar_one_or_none()
        if row is not None:
            kind = row.kind
            then(session, lambda: metrics.JOBS.labels(kind, state.value).inc())
            then(session, lambda: self.ended(job_id))
        return row


async def _keep_request(session: AsyncSession, command: GenerateArtifact) -> None:
    values = {
        "job_id": command.correlation_id,
        "requirements": command.requirements,
        "context_text": command.context_text,
        "options": command.options,
    }
    await (await session.connection()).execute(_INTO_REQUESTS, values)


async def find(session: AsyncSession, job_id: str, tenant: str) -> JobRow:
    """Raises NoSuchJob, also for another tenant's."""
    row = (await session.exec(select(JobRow).where(JobRow.id == job_id, JobRow.tenant == tenant))).first()
    if row is None:
        raise NoSuchJob(job_id)
    return row


async def newest(session: AsyncSession, tenant: str, state: JobState | None, limit: int) -> Sequence[JobRow]:
    query = select(JobRow).where(JobRow.tenant == tenant).order_by(col(JobRow.id).desc()).limit(limit)
    if state is not None:
        query = query.where(JobRow.state == state.value)
    return (await session.exec(query)).all()


async def record_progress(session: AsyncSession, told: Sequence[JobProgressed]) -> None:
    """Write where jobs stand, one message a job. An ended job stays as it is, and so does a later attempt's word."""
    statement = (
        update(JobRow)
        .where(
            col(JobRow.id) == bindparam("job"), _NOT_ENDED, col(JobRow.attempt) <= bindparam("attempt_told")
        )
        .values(
            state=JobState.RUNNING.value,
            attempt=bindparam("attempt_told"),
            progress=bindparam("progress_told"),
            updated_at=utc_now(),
        )
    )
    rows = [
        {"job": each.correlation_id, "attempt_told": each.attempt, "progress_told": progress_of(each)}
        for each in told
    ]
    connection = await session.connection()
    await connection.execute(statement, rows)


def progress_of(told: JobProgressed) -> dict[str, Any]:
    figures = _figures(told)
    return {
        "stage": told.stage,
        "message": told.message,
        "done": told.done,
        "total": told.total,
        "sequence": told.sequence,
        **({"figures": figures} if figures else {}),
    }


def _figures(told: JobProgressed) -> dict[str, float]:
    """Those that JSON can say, and no more than a row or a screen has room for."""
    sound = {name[:60]: value for name, value in told.figures.items() if isfinite(value)}
    return dict(list(sound.items())[:_MOST_FIGURES])


def document(row: JobRow) -> dict[str, Any]:
    """A job as the API shows it."""
    return {
        "id": row.id,
        "kind": row.kind,
        "state": row.state,
        "attempt": row.attempt,
        "progress": row.progress,
        "result": row.result,
        "error": row.error,
        "created_at": row.created_at.isoformat(),
        "updated_at": row.updated_at.isoformat(),
        "finished_at": row.finished_at.isoformat() if row.finished_at else None,
    }
