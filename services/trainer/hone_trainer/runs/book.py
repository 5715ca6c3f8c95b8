"""Run rows and the only ways they change. Each change is guarded in SQL, so that a run ends exactly once."""

from collections.abc import Iterable, Sequence
from typing import Final
from uuid import UUID

from sqlalchemy import ColumnElement, Table, bindparam, or_, select, update
from sqlalchemy.engine import RowMapping
from sqlmodel.ext.asyncio.session import AsyncSession

from hone_chassis.tables import table_of, utc_now
from hone_contracts.errors import ErrorBody
from hone_contracts.pool import Run
from hone_trainer.errors import Superseded
from hone_trainer.runs.tables import RunRow

RUNS: Table = table_of(RunRow)
_R = RUNS.c
NOT_ENDED: ColumnElement[bool] = _R.finished_at.is_(None)

ORDER: Final = ("queued", "training", "deploying", "evaluating")
"""A run goes forward only: messages of its steps may come late."""


async def find(session: AsyncSession, run_id: str) -> RowMapping | None:
    rows = await (await session.connection()).execute(select(RUNS).where(_R.id == run_id))
    found: RowMapping | None = rows.mappings().first()
    return found


_ACTIVE = select(_R.id).where(_R.tenant == bindparam("t"), _R.artifact_type == bindparam("a"), NOT_ENDED)


async def active(session: AsyncSession, tenant: str, artifact_type: str) -> str | None:
    """The id of the run of this type that has not ended."""
    found = await (await session.connection()).execute(_ACTIVE, {"t": tenant, "a": artifact_type})
    row = found.first()
    return None if row is None else str(row[0])


async def change(
    session: AsyncSession, run_id: str, *guards: ColumnElement[bool], **values: object
) -> RowMapping | None:
    """The row as it is now; None when it has ended, or a guard does not hold."""
    statement = (
        update(RUNS)
        .where(_R.id == run_id, NOT_ENDED, *guards)
        .values(updated_at=utc_now(), **values)
        .returning(RUNS)
    )
    rows = await (await session.connection()).execute(statement)
    changed: RowMapping | None = rows.mappings().first()
    return changed


async def take_up(session: AsyncSession, run_id: str, command: UUID) -> RowMapping | None:
    """A worker begins. What earlier workers would still write is refused from now on. None when the run has ended, is
    paused or further on, or was given to another command meanwhile."""
    return await change(
        session,
        run_id,
        _R.state.in_(("queued", "training")),
        or_(_R.command.is_(None), _R.command == str(command)),
        state="training",
        attempt=_R.attempt + 1,
        fence=_R.fence + 1,
    )


async def queue(
    session: AsyncSession, run_id: str, command: UUID, *guards: ColumnElement[bool], **values: object
) -> RowMapping | None:
    """From now on ``command`` is the one that may be worked on, and whoever had the run has it no more."""
    begins = {"state": "queued", "command": str(command), "fence": _R.fence + 1, "error": None}
    return await change(session, run_id, *guards, **begins | values)


async def pause(
    session: AsyncSession, run_id: str, *guards: ColumnElement[bool], error: ErrorBody | None = None
) -> RowMapping | None:
    """No worker has the run, and none will take it. None when it is not one that waits or trains. ``error``: why it
    was not a person who paused it."""
    told = None if error is None else error.model_dump(mode="json")
    may = _R.state.in_(("queued", "training"))
    values = {"state": "paused", "command": None, "fence": _R.fence + 1, "error": told}
    return await change(session, run_id, may, *guards, **values)


async def advance(
    session: AsyncSession, run_id: str, state: str, *guards: ColumnElement[bool], **values: object
) -> RowMapping | None:
    """To a later step, never back."""
    before = _R.state.in_(ORDER[: ORDER.index(state)])
    return await change(session, run_id, before, *guards, state=state, **values)


async def end(
    session: AsyncSession, run_id: str, state: str, error: ErrorBody | None = None, **values: object
) -> RowMapping | None:
    """None when it had ended before, or was never here."""
    told = None if error is None else error.model_dump(mode="json")
    return await change(session, run_id, state=state, error=told, finished_at=utc_now(), **values)


async def keep(session: AsyncSession, run: RowMapping, **values: object) -> RowMapping:
    """What a worker found out about its run. Raises Superseded when it is its run no more."""
    row = await change(session, run["id"], _R.state == "training", held_by(run["fence"]), **values)
    if row is None:
        raise Superseded(run["id"])
    return row


async def find_held(session: AsyncSession, run: RowMapping) -> bool:
    """Whether it is still this worker's run."""
    query = select(_R.id).where(_R.id == run["id"], NOT_ENDED, _R.state == "training", held_by(run["fence"]))
    return (await (await session.connection()).execute(query)).first() is not None


async def note(session: AsyncSession, run_id: str, **values: object) -> None:
    """What was heard of a run's version after the run had ended."""
    statement = update(RUNS).where(_R.id == run_id).values(updated_at=utc_now(), **values)
    await (await session.connection()).execute(statement)


def held_by(fence: int) -> ColumnElement[bool]:
    """Whoever has this fencing token is the last worker that took the run up."""
    return _R.fence == fence


def in_state(*states: str) -> ColumnElement[bool]:
    return _R.state.in_(states)


async def listed(
    session: AsyncSession, tenant: str, artifact_type: str | None, limit: int
) -> Sequence[RowMapping]:
    query = select(RUNS).where(_R.tenant == tenant).order_by(_R.id.desc()).limit(limit)
    if artifact_type is not None:
        query = query.where(_R.artifact_type == artifact_type)
    return (await (await session.connection()).execute(query)).mappings().all()


async def held_as(session: AsyncSession, run_id: str) -> RowMapping | None:
    """Who has the run, and what is wanted of it: ``state``, ``fence``, ``control``."""
    query = select(_R.state, _R.fence, _R.control).where(_R.id == run_id)
    found: RowMapping | None = (await (await session.connection()).execute(query)).mappings().first()
    return found


async def waiting(session: AsyncSession) -> Sequence[RowMapping]:
    """All runs that something has to come for. Nothing comes for one that a person paused."""
    columns = (_R.id, _R.tenant, _R.artifact_type, _R.state, _R.updated_at, _R.method, _R.batch)
    query = select(*columns, _R.place, _R.fence, _R.settings).where(NOT_ENDED, _R.state != "paused")
    return (await (await session.connection()).execute(query)).mappings().all()


def shown(row: RowMapping) -> Run:
    planned = row["planned"] or {}
    same: Iterable[str] = (
        "artifact_type", "method", "trigger", "state", "attempt", "batch", "examples", "dataset_digest", "verdict",
        "reasons", "parameters", "figures", "error", "created_at", "updated_at", "finished_at",
    )  # fmt: skip
    return Run(
        run_id=row["id"],
        model=planned.get("model", row["base"]),
        version=planned.get("version"),
        version_name=planned.get("name"),
        **{name: row[name] for name in same},
    )
