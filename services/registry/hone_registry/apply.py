"""Applying a routes file: the table becomes what it says, in one transaction, or stays as it was."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable

from sqlmodel import select
from sqlmodel.ext.asyncio.session import AsyncSession

from hone_chassis.database import Database
from hone_chassis.logs import get_logger
from hone_contracts.registry import (
    ApplyRoutes,
    Route,
    RouteChange,
    RoutesApplied,
)
from hone_contracts.registry import Routes as Table
from hone_registry import audit, release, routes, starter
from hone_registry.route_changes import route_changes
from hone_registry.routes_file import Registered, routes_of
from hone_registry.tables import DEFAULT, USER, ModelRow, RouteRow
from hone_registry.turns import one_at_a_time

log = get_logger(__name__)

_PUBLISHED_WITHIN_S = 10.0


class RoutesFiles:
    """Answers ApplyRoutes. ``published`` waits, so many seconds at most, until the copy on the broker is new."""

    def __init__(self, database: Database, published: Callable[[float], Awaitable[bool]]) -> None:
        self._database, self._published = database, published

    async def apply(self, question: ApplyRoutes) -> RoutesApplied:
        """Raises BadRoutes with every fault of the file."""
        async with self._database.read() as session:
            registered = await _registered(session, question.tenant)
        wanted, after = await _read(question, registered)
        if question.dry_run:
            async with self._database.read() as session:
                return await _outcome(session, question, wanted, after)
        async with self._database.write() as session:
            await one_at_a_time(session, self._database)
            if (now := await _registered(session, question.tenant)) != registered:
                wanted, after = await _read(question, now)  # a model came, or was removed meanwhile
            outcome = await _outcome(session, question, wanted, after)
            async with route_changes(session, question.tenant):
                await _replace(session, question, wanted)
        # Whoever has this answer may ask for an artifact, and expects the new route.
        if not await self._published(_PUBLISHED_WITHIN_S):
            log.warning("routes are applied, but not on the broker yet", changed=len(outcome.changes))
        return outcome


async def _registered(session: AsyncSession, tenant: str) -> Registered:
    rows = (await session.exec(select(ModelRow).where(ModelRow.tenant == tenant))).all()
    removed = (each for row in rows if row.released_at is not None for each in release.spellings(row.name))
    return Registered({row.name: row.reading for row in rows if row.released_at is None}, frozenset(removed))


async def _read(question: ApplyRoutes, registered: Registered) -> tuple[list[RouteRow], list[Route]]:
    """The rows that the text makes, and their routes. Raises BadRoutes."""
    hones_own = starter.ROUTES if starter.NAME in registered.readings else {}
    # In a thread: a large file keeps a core busy for longer than other questions should wait.
    read = await asyncio.to_thread(routes_of, question.text, registered, hones_own)
    rows = [
        routes.row_of(question.tenant, own.route, USER if own.by_user else DEFAULT) for own in read.values()
    ]
    return rows, [own.route for own in read.values()]


async def _outcome(
    session: AsyncSession, question: ApplyRoutes, wanted: Iterable[RouteRow], routes_after: Iterable[Route]
) -> RoutesApplied:
    before = _told(await routes.resolved(session, question.tenant))
    after = _told(await routes.resolve(session, question.tenant, routes_after))
    set_by = {row.artifact_type: row.set_by for row in wanted}
    changes = tuple(
        RouteChange(artifact_type=key, before=before.get(key), after=after.get(key))
        for key in sorted(before.keys() | after.keys(), key=routes.place)
        if before.get(key) != after.get(key)
    )
    table = Table(routes={key: after[key] for key in sorted(after, key=routes.place)}, set_by=set_by)
    return RoutesApplied(dry_run=question.dry_run, changes=changes, table=table)


async def _replace(session: AsyncSession, question: ApplyRoutes, wanted: Iterable[RouteRow]) -> None:
    """The rows become ``wanted``; each that differs leaves a line in the audit trail."""
    there = {row.artifact_type: row for row in await routes.rows(session, question.tenant)}
    for row in wanted:
        was = there.pop(row.artifact_type, None)
        if routes.content_of(was) != routes.content_of(row):
            _record(session, question, "routed", was, row)
            await session.merge(row)
    for row in there.values():
        _record(session, question, "unrouted", row, None)
        await session.delete(row)


def _record(
    session: AsyncSession, question: ApplyRoutes, action: str, was: RouteRow | None, now: RouteRow | None
) -> None:
    row = now or was
    assert row is not None
    audit.record(
        session,
        question.actor,
        action,
        f"route:{row.artifact_type}",
        tenant=question.tenant,
        was=routes.content_of(was),
        now=routes.content_of(now),
    )


def _told(table: dict[str, Route]) -> dict[str, Route]:
    return {key: routes.without_turns(route) for key, route in table.items()}
