"""Transactions and migrations, on SQLite and on PostgreSQL."""

import asyncio
from collections.abc import AsyncIterator

import counting
import pytest
from counting.app import Counted
from schema import differences
from sqlalchemy import func, text
from sqlmodel import select

from hone_chassis import announce
from hone_chassis.database import Database
from hone_chassis.errors import DatabaseNewer
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
