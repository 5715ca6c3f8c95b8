"""One database a service: SQLite in a file, or a schema of its own on PostgreSQL.

The same tables and migrations serve both. Writers take the lock at the start of their transaction (SQLite's
deferred upgrade fails with "database is locked" under contention instead of waiting).
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager, contextmanager, nullcontext
from functools import cache
from pathlib import Path
from typing import Any

from aiosqlite import Connection
from sqlalchemy import event, exc, insert, text
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.engine import make_url
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, async_sessionmaker, create_async_engine
from sqlalchemy.sql.dml import ReturningInsert
from sqlmodel import SQLModel
from sqlmodel.ext.asyncio.session import AsyncSession

from hone_chassis.errors import DatabaseUnavailable
from hone_chassis.group_commit import GroupCommit
from hone_chassis.sqlite_driver import OneVisitConnection
from hone_chassis.tables import OutboxRow, table_of

_BUSY_TIMEOUT_MS = 10_000
_BEGIN = text("BEGIN IMMEDIATE")
_INTO_OUTBOX = insert(table_of(OutboxRow))
ANNOUNCED = "announced"
"""Where a session keeps the outbox rows of its transaction, as plain values: making objects of them takes longer than
all the rest of announcing."""


class Database:
    """Transactions on the service's own database."""

    def __init__(self, url: str, service: str) -> None:
        self.url, self.service = make_url(url), service
        self.is_sqlite = self.url.get_backend_name() == "sqlite"
        self.engine = _sqlite_engine(url) if self.is_sqlite else _postgres_engine(url, service)
        self._sessions = async_sessionmaker(self.engine, class_=AsyncSession, expire_on_commit=False)
        # One writer at a time is SQLite's rule. Waiting here is fair and costs no thread.
        self._writer = asyncio.Lock() if self.is_sqlite else None
        file = self.url.database if self.is_sqlite else None
        self._group = GroupCommit(Path(file)) if file and file != ":memory:" else None
        self._after_commit: list[Callable[[], None]] = []

    def after_commit(self, wake: Callable[[], None]) -> None:
        """Call ``wake`` after each write transaction that put something into the outbox."""
        self._after_commit.append(wake)

    @asynccontextmanager
    async def read(self) -> AsyncIterator[AsyncSession]:
        """Raises DatabaseUnavailable, as ``write`` does, when it is the database that fails."""
        with _telling_trouble():
            async with self._sessions() as session:
                await _connect(session)
                yield session

    @asynccontextmanager
    async def write(self, *, durable: bool = True) -> AsyncIterator[AsyncSession]:
        """A transaction: committed when the block ends, rolled back when it raises.

        What is committed survives a power cut, unless it is not ``durable``: right for what is made again by itself.
        A later durable transaction takes it to the disk, too.
        """
        with _telling_trouble():
            async with self._on_disk(durable), _maybe(self._writer), self._sessions() as session:
                connection = await _connect(session)
                if self.is_sqlite:
                    await connection.execute(_BEGIN)
                yield session
                if announced := session.info.get(ANNOUNCED):
                    await connection.execute(_INTO_OUTBOX, announced)
                await session.commit()
        if announced:
            for wake in self._after_commit:
                wake()
        for act in session.info.get("then", ()):
            act()

    async def settled(self) -> None:
        """Whatever could be read by now survives a power cut from now on."""
        if self._group is not None:
            await self._group.settled()

    def _on_disk(self, durable: bool) -> AbstractAsyncContextManager[None]:
        return self._group.one() if durable and self._group is not None else nullcontext()

    async def ping(self) -> None:
        async with self.read() as session:
            await (await session.connection()).execute(text("SELECT 1"))

    async def aclose(self) -> None:
        await self.engine.dispose()


def then(session: AsyncSession, act: Callable[[], None]) -> None:
    """Call ``act`` once the running write transaction has been committed; never if it is rolled back."""
    session.info.setdefault("then", []).append(act)


async def insert_new(session: AsyncSession, table: type[SQLModel], values: Mapping[str, Any]) -> bool:
    """Insert a row; False when one with the same key is there already (after waiting for whoever writes it)."""
    connection = await session.connection()
    statement = _insert_if_new(table, connection.dialect.name)
    return (await connection.execute(statement, values)).first() is not None


@cache
def _insert_if_new(table: type[SQLModel], dialect: str) -> ReturningInsert[Any]:
    """Made once: making it takes longer than executing it."""
    into: Callable[..., sqlite.Insert | postgresql.Insert]
    into = sqlite.insert if dialect == "sqlite" else postgresql.insert
    columns = table_of(table)
    # A RETURNING tells what was done: rowcount is -1 on some drivers.
    return into(columns).on_conflict_do_nothing().returning(*columns.primary_key)


@contextmanager
def _telling_trouble() -> Iterator[None]:
    try:
        yield
    except exc.TimeoutError as error:
        raise DatabaseUnavailable(repr(error)) from error
    except exc.DBAPIError as error:
        if not (
            isinstance(error, (exc.OperationalError, exc.InterfaceError)) or error.connection_invalidated
        ):
            raise
        raise DatabaseUnavailable(repr(error.orig)) from error


async def _connect(session: AsyncSession) -> AsyncConnection:
    try:
        return await session.connection()
    except (OSError, exc.DBAPIError) as error:
        raise DatabaseUnavailable(repr(error)) from error


@asynccontextmanager
async def _maybe(lock: asyncio.Lock | None) -> AsyncIterator[None]:
    if lock is None:
        yield
        return
    async with lock:
        yield


def _sqlite_engine(url: str) -> AsyncEngine:
    file = make_url(url).database or ":memory:"
    if file != ":memory:":
        Path(file).parent.mkdir(parents=True, exist_ok=True)

    async def connect(*_arguments: Any, **_options: Any) -> Connection:
        return await OneVisitConnection(file)

    engine = create_async_engine(url, async_creator=connect)

    @event.listens_for(engine.sync_engine, "connect")
    def configure(connection: Any, _record: Any) -> None:
        # The driver must not open transactions by itself: we begin them, see Database.write.
        connection.isolation_level = None
        cursor = connection.cursor()
        cursor.execute(f"PRAGMA busy_timeout = {_BUSY_TIMEOUT_MS}")
        cursor.execute("PRAGMA journal_mode = WAL")
        # An accepted job survives a power cut: GroupCommit sees to it that each commit reaches the disk.
        cursor.execute("PRAGMA synchronous = NORMAL")
        cursor.execute("PRAGMA foreign_keys = ON")
        cursor.close()

    return engine


def _postgres_engine(url: str, schema: str) -> AsyncEngine:
    return create_async_engine(
        url, pool_pre_ping=True, connect_args={"server_settings": {"search_path": schema}}
    )
