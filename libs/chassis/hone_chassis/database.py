"""One database a service: SQLite in a file, or a schema of its own on PostgreSQL.

The same tables and migrations serve both. Writers take the lock at the start of their transaction (SQLite's
deferred upgrade fails with "database is locked" under contention instead of waiting).
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import event, exc, inspect, text
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.engine import make_url
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, async_sessionmaker, create_async_engine
from sqlmodel import SQLModel
from sqlmodel.ext.asyncio.session import AsyncSession

from hone_chassis.errors import DatabaseUnavailable

_BUSY_TIMEOUT_MS = 10_000


class Database:
    """Transactions on the service's own database."""

    def __init__(self, url: str, service: str) -> None:
        self.url, self.service = make_url(url), service
        self.is_sqlite = self.url.get_backend_name() == "sqlite"
        self.engine = _sqlite_engine(url) if self.is_sqlite else _postgres_engine(url, service)
        self._sessions = async_sessionmaker(self.engine, class_=AsyncSession, expire_on_commit=False)
        # One writer at a time is SQLite's rule. Waiting here is fair and costs no thread.
        self._writer = asyncio.Lock() if self.is_sqlite else None
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
    async def write(self) -> AsyncIterator[AsyncSession]:
        """A transaction: committed when the block ends, rolled back when it raises."""
        with _telling_trouble():
            async with _maybe(self._writer), self._sessions() as session:
                connection = await _connect(session)
                if self.is_sqlite:
                    await connection.execute(text("BEGIN IMMEDIATE"))
                yield session
                await session.commit()
        if session.info.get("announced", False):
            for wake in self._after_commit:
                wake()
        for act in session.info.get("then", ()):
            act()

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
    insert: Callable[..., sqlite.Insert | postgresql.Insert]
    insert = sqlite.insert if session.get_bind().dialect.name == "sqlite" else postgresql.insert
    primary_key = inspect(
        table
    ).primary_key  # a RETURNING tells what was done: rowcount is -1 on some drivers
    statement = insert(table).values(dict(values)).on_conflict_do_nothing().returning(*primary_key)
    return (await session.exec(statement)).first() is not None


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
    file = make_url(url).database
    if file and file != ":memory:":
        Path(file).parent.mkdir(parents=True, exist_ok=True)
    engine = create_async_engine(url)

    @event.listens_for(engine.sync_engine, "connect")
    def configure(connection: Any, _record: Any) -> None:
        # The driver must not open transactions by itself: we begin them, see Database.write.
        connection.isolation_level = None
        cursor = connection.cursor()
        cursor.execute(f"PRAGMA busy_timeout = {_BUSY_TIMEOUT_MS}")
        cursor.execute("PRAGMA journal_mode = WAL")
        # An accepted job survives a power cut: each commit reaches the disk.
        cursor.execute("PRAGMA synchronous = FULL")
        cursor.execute("PRAGMA foreign_keys = ON")
        cursor.close()

    return engine


def _postgres_engine(url: str, schema: str) -> AsyncEngine:
    return create_async_engine(
        url, pool_pre_ping=True, connect_args={"server_settings": {"search_path": schema}}
    )
