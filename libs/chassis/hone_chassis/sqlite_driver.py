"""aiosqlite with one visit to its thread per statement.

The thread is where the time goes: making a cursor, executing, fetching and closing are a visit each, and a visit
takes several times as long as a small statement.
"""

import sqlite3
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Self

import aiosqlite


class OneVisitConnection(aiosqlite.Connection):
    """What SQLAlchemy's dialect needs of a connection. Rows are fetched as a whole: no statement here is streamed."""

    def __init__(self, file: str) -> None:
        def connect() -> sqlite3.Connection:
            return sqlite3.connect(file, check_same_thread=False)

        super().__init__(connect, iter_chunk_size=64)
        self._thread.daemon = (
            True  # a connection that was never closed must not hold up the end of the process
        )

    def cursor(self) -> "OneVisitCursor":  # type: ignore[override]  # entered like a cursor of aiosqlite's
        return OneVisitCursor(self)

    async def visit(self, statement: tuple[Any, ...], *, many: bool) -> "_Outcome":
        outcome: _Outcome = await self._execute(_done, self._conn, statement, many)  # type: ignore[no-untyped-call]
        return outcome


@dataclass(frozen=True, slots=True)
class _Outcome:
    description: Any
    rowcount: int
    lastrowid: int | None
    rows: Sequence[Any]


def _done(connection: sqlite3.Connection, statement: tuple[Any, ...], many: bool) -> _Outcome:
    """In the thread: execute, fetch, close."""
    cursor = connection.cursor()
    try:
        (cursor.executemany if many else cursor.execute)(*statement)
        rows = cursor.fetchall() if cursor.description else ()
        # Counted only once the rows of a RETURNING are fetched.
        return _Outcome(cursor.description, cursor.rowcount, cursor.lastrowid, rows)
    finally:
        cursor.close()


class OneVisitCursor:
    """Holds what a statement brought."""

    arraysize = 1

    def __init__(self, connection: OneVisitConnection) -> None:
        self._connection = connection
        self.description: Any = None
        self.rowcount = -1
        self.lastrowid: int | None = None
        self._rows: Sequence[Any] = ()

    async def __aenter__(self) -> Self:
        return self

    async def execute(self, sql: str, parameters: Iterable[Any] = ()) -> Self:
        return await self._keep((sql, parameters), many=False)

    async def executemany(self, sql: str, parameters: Iterable[Iterable[Any]]) -> Self:
        return await self._keep((sql, parameters), many=True)

    async def fetchall(self) -> Sequence[Any]:
        return self._rows

    async def close(self) -> None:
        """Nothing is open."""

    async def _keep(self, statement: tuple[Any, ...], *, many: bool) -> Self:
        outcome = await self._connection.visit(statement, many=many)
        self.description, self.rowcount = outcome.description, outcome.rowcount
        self.lastrowid, self._rows = outcome.lastrowid, outcome.rows
        return self
