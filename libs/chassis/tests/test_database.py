"""Transactions and migrations, on SQLite and on PostgreSQL."""

import asyncio
import socket
import sqlite3
from collections.abc import AsyncIterator
from pathlib import Path

import counting
import pytest
from counting.app import Counted
from schema import differences
from sqlalchemy import func, text
from sqlalchemy.exc import IntegrityError
from sqlmodel import col, select

from hone_chassis import announce
from hone_chassis.database import Database, insert_new, then
from hone_chassis.errors import DatabaseNewer, DatabaseUnavailable
from hone_chassis.migrations import migrate
from hone_chassis.tables import ChassisTable, OutboxRow
from hone_contracts.ids import new_id
from hone_contracts.job_messages import JobCancelled


@pytest.fixture
async def database(database_url: str) -> AsyncIterator[Database]:
    opened = Database(database_url, "counter")
    await migrate(opened, counting.__name__, "0001")
    yield opened
    await opened.aclose()


async def how_many(database: Database, table: type[Counted] | type[OutboxRow]) -> int:
    async with database.read() as session:
        return (await session.exec(select(func.count()).select_from(table))).one()


async def test_the_migrated_schema_is_the_one_the_tables_declare(database: Database) -> None:
    assert await differences(database, ChassisTable.metadata, Counted.metadata) == []


async def test_migrating_again_changes_nothing(database: Database) -> None:
    await migrate(database, counting.__name__, "0001")
    assert await how_many(database, Counted) == 0


async def test_replicas_that_start_together_migrate_once(database_url: str) -> None:
    replicas = [Database(database_url, "counter") for _ in range(3)]
    for replica in replicas:
        await replica.ping()
    await asyncio.gather(*(migrate(replica, counting.__name__, "0001") for replica in replicas))
    assert [await how_many(replica, Counted) for replica in replicas] == [0, 0, 0]
    for replica in replicas:
        await replica.aclose()


async def test_a_database_of_a_newer_version_is_refused(database: Database) -> None:
    async with database.write() as session:
        await (await session.connection()).execute(text("UPDATE alembic_version SET version_num = '9999'"))
    with pytest.raises(DatabaseNewer, match="9999"):
        await migrate(database, counting.__name__, "0001")


async def test_what_a_failed_transaction_announced_is_not_sent(database: Database) -> None:
    woken = []
    database.after_commit(lambda: woken.append(1))
    with pytest.raises(ZeroDivisionError):
        async with database.write() as session:
            session.add(Counted(job="a"))
            announce(session, JobCancelled(correlation_id=new_id("job")))
            raise ZeroDivisionError
    assert (await how_many(database, Counted), await how_many(database, OutboxRow), woken) == (0, 0, [])


async def test_many_writers_at_once_all_succeed(database: Database) -> None:
    async def write(number: int) -> None:
        async with database.write() as session:
            (await session.exec(select(func.count()).select_from(Counted))).one()
            session.add(Counted(job=str(number)))

    await asyncio.gather(*(write(number) for number in range(40)))
    assert await how_many(database, Counted) == 40


async def test_what_shall_follow_a_transaction_happens_once_after_its_commit(database: Database) -> None:
    seen: list[str] = []
    async with database.write() as session:
        session.add(Counted(job="a"))
        then(session, lambda: seen.append("followed"))
        assert seen == []
    assert seen == ["followed"]
    async with database.write() as session:
        session.add(Counted(job="b"))
    assert seen == ["followed"]


async def test_nothing_follows_a_transaction_that_was_rolled_back_or_whose_commit_failed(
    database: Database,
) -> None:
    seen: list[str] = []
    with pytest.raises(ZeroDivisionError):
        async with database.write() as session:
            then(session, lambda: seen.append("after a rollback"))
            raise ZeroDivisionError
    async with database.write() as session:
        session.add(Counted(id=1, job="a"))
    with pytest.raises(IntegrityError):
        async with database.write() as session:
            then(session, lambda: seen.append("after a failed commit"))
            session.add(Counted(id=1, job="written only with the commit"))
    assert seen == []


async def test_a_row_is_inserted_once_and_the_first_is_kept(database: Database) -> None:
    async with database.write() as session:
        assert await insert_new(session, Counted, {"id": 7, "job": "first"})
        assert not await insert_new(session, Counted, {"id": 7, "job": "second"})
        assert await insert_new(session, Counted, {"id": 8, "job": "another"})
    async with database.read() as session:
        jobs = (await session.exec(select(Counted.job).order_by(col(Counted.id)))).all()
    assert jobs == ["first", "another"]


async def test_of_many_who_insert_a_row_at_once_one_succeeds(database: Database) -> None:
    async def insert(number: int) -> bool:
        async with database.write() as session:
            return await insert_new(session, Counted, {"id": 7, "job": str(number)})

    assert sorted(await asyncio.gather(*(insert(number) for number in range(10)))) == [False] * 9 + [True]
    assert await how_many(database, Counted) == 1


@pytest.mark.parametrize("kind", ["sqlite", "postgres"])
async def test_a_database_that_cannot_be_reached_is_unavailable_and_the_reader_is_told_what_to_check(
    kind: str, tmp_path: Path
) -> None:
    with socket.socket() as bound:  # and does not listen, so that who connects is refused
        bound.bind(("127.0.0.1", 0))
        urls = {
            "sqlite": f"sqlite+aiosqlite:///{tmp_path}",  # a folder
            "postgres": f"postgresql+asyncpg://hone@127.0.0.1:{bound.getsockname()[1]}/hone",
        }
        database = Database(urls[kind], "counter")
        with pytest.raises(DatabaseUnavailable, match="HONE_DATABASE_URL") as caught:
            await database.ping()
        assert caught.value.transient
        with pytest.raises(DatabaseUnavailable):
            async with database.write():
                pass
        await database.aclose()


@pytest.mark.parametrize("database_url", ["postgres"], indirect=True)
async def test_a_connection_that_breaks_within_a_transaction_is_told_and_the_next_one_works(
    database: Database,
) -> None:
    async def broken_off() -> None:
        async with database.write() as session:
            session.add(Counted(job="a"))
            pid = (await session.exec(select(func.pg_backend_pid()))).one()
            async with database.read() as other:
                await other.exec(select(func.pg_terminate_backend(pid, 5000)))
            await session.flush()

    with pytest.raises(DatabaseUnavailable):
        await broken_off()
    assert await how_many(database, Counted) == 0


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
async def test_a_file_that_another_process_keeps_locked_is_unavailable_until_it_lets_go(
    database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("hone_chassis.database._BUSY_TIMEOUT_MS", 50)
    database = Database(database_url, "counter")
    await migrate(database, counting.__name__, "0001")
    other = sqlite3.connect(database.url.database or "", isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(DatabaseUnavailable, match="locked"):
        async with database.write():
            pass
    assert await how_many(database, Counted) == 0  # readers go on
    other.close()
    async with database.write() as session:
        session.add(Counted(job="a"))
    assert await how_many(database, Counted) == 1
    await database.aclose()
