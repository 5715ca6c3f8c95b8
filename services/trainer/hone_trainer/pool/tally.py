"""The counts of a type, kept in the transaction that changes its examples. Whoever holds a Tally holds the type."""

from collections import Counter
from typing import Any, Self

from sqlalchemy import Table, bindparam, select, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlmodel.ext.asyncio.session import AsyncSession

from hone_chassis.database import insert_new
from hone_chassis.tables import table_of, utc_now
from hone_trainer.pool.tables import PersonRow, PoolTypeRow, State

_TYPES: Table = table_of(PoolTypeRow)
_PEOPLE: Table = table_of(PersonRow)
_TYPE = (_TYPES.c.tenant == bindparam("t"), _TYPES.c.artifact_type == bindparam("a"))
_PERSON = ("tenant", "artifact_type", "user")
_LOCKED = select(_TYPES).where(*_TYPE).with_for_update()


class Tally:
    """Collects what changes, and writes it once. Made by ``held``, which waits for others that hold the type."""

    def __init__(self, session: AsyncSession, row: dict[str, Any]) -> None:
        self.session, self.row = session, row
        self.tenant, self.artifact_type = str(row["tenant"]), str(row["artifact_type"])
        self._states: Counter[str] = Counter()
        self._people: Counter[str] = Counter()
        self._spoke: set[str] = set()

    @classmethod
    async def held(cls, session: AsyncSession, tenant: str, artifact_type: str) -> Self:
        """SQLite has one writer; on PostgreSQL the row is locked until the transaction ends."""
        connection = await session.connection()
        key = {"t": tenant, "a": artifact_type}
        row = (await connection.execute(_LOCKED, key)).mappings().first()
        if row is None:
            first: dict[str, Any] = {column.name: 0 for column in _TYPES.c}
            first |= {"tenant": tenant, "artifact_type": artifact_type, "last_started_at": None}
            await insert_new(session, PoolTypeRow, first)
            row = (await connection.execute(_LOCKED, key)).mappings().one()
        return cls(session, dict(row))

    @property
    def new(self) -> int:
        return self._now("new")

    @property
    def new_ones_came(self) -> bool:
        return self._states["new"] > 0

    def spoke(self, user: str) -> None:
        """Somebody gave a verdict: they are one of those who give."""
        self._spoke.add(user)

    def came(self, state: State, contributor: str, *, corrected: bool) -> None:
        self._count(state, contributor, corrected, 1)

    def went(self, state: State, contributor: str, *, corrected: bool) -> None:
        self._count(state, contributor, corrected, -1)

    def _count(self, state: State, contributor: str, corrected: bool, by: int) -> None:
        self._states[state] += by
        if state == "new":
            self._states["corrected"] += by * corrected
            if contributor:
                self._people[contributor] += by

    def _now(self, column: str) -> int:
        return int(self.row[column]) + self._states[column]

    async def write(self, **more: object) -> None:
        """``more``: other columns of the type's row."""
        changed: dict[str, object] = {name: self._now(name) for name, by in self._states.items() if by}
        connection = await self.session.connection()
        if changed | more:
            key = {"t": self.tenant, "a": self.artifact_type}
            await connection.execute(update(_TYPES).where(*_TYPE).values(changed | more), key)
            self.row |= changed | more
        await self._write_people()
        self._states.clear()
        self._people.clear()
        self._spoke.clear()

    async def _write_people(self) -> None:
        users = sorted(self._spoke | {user for user, by in self._people.items() if by})
        if not users:
            return
        connection = await self.session.connection()
        into = sqlite.insert if connection.dialect.name == "sqlite" else postgresql.insert
        now, key = utc_now(), {"tenant": self.tenant, "artifact_type": self.artifact_type}
        # Whoever's examples come back from a run has not spoken again.
        for spoke in (True, False):
            rows = [
                key | {"user": user, "new": self._people[user], "last_at": now}
                for user in users
                if (user in self._spoke) is spoke
            ]
            if rows:
                statement = into(_PEOPLE)
                changes: dict[str, Any] = {"new": _PEOPLE.c.new + statement.excluded.new}
                changes |= {"last_at": statement.excluded.last_at} if spoke else {}
                upsert = statement.on_conflict_do_update(index_elements=_PERSON, set_=changes)
                await connection.execute(upsert, rows)
