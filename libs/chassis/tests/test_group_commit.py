"""Commits that wait for the disk together: nobody is told of a transaction before it is there."""

import asyncio
import os
import threading
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import counting
import pytest
from counting.app import Counted
from running import until
from sqlalchemy import insert, update
from sqlmodel import col, select

from hone_chassis.database import Database
from hone_chassis.errors import DatabaseUnavailable
from hone_chassis.migrations import migrate


class Disk:
    """Stands where fsync does: holds it up, counts it, or fails."""

    def __init__(self) -> None:
        self.open = threading.Event()
        self.open.set()
        self.syncs = 0
        self.failure: OSError | None = None

    def fsync(self, _descriptor: int) -> None:
        self.syncs += 1
        assert self.open.wait(30)
        if self.failure is not None:
            raise self.failure


@pytest.fixture
async def database(tmp_path: Path) -> AsyncIterator[Database]:
    opened = Database(f"sqlite+aiosqlite:///{tmp_path / 'one.db'}", "counter")
    await migrate(opened, counting.__name__, "0001")
    yield opened
    await opened.aclose()


@pytest.fixture
def disk(database: Database, monkeypatch: pytest.MonkeyPatch) -> Iterator[Disk]:
    disk = Disk()
    monkeypatch.setattr(os, "fsync", disk.fsync)
    yield disk
    disk.open.set()


async def count(database: Database, name: str, *, durable: bool = True) -> None:
    async with database.write(durable=durable) as session:
        session.add(Counted(job=name))


async def counted(database: Database) -> set[str]:
    async with database.read() as session:
        return set((await session.exec(select(Counted.job))).all())


async def test_a_transaction_is_not_over_before_it_is_on_the_disk(database: Database, disk: Disk) -> None:
    disk.open.clear()
    writing = asyncio.create_task(count(database, "a"))
    await until(lambda: disk.syncs == 1)
    assert await counted(database) == {"a"}, "committed, and others see it"
    assert not writing.done()
    disk.open.set()
    await writing
    assert disk.syncs == 1


async def test_all_who_wait_share_one_wait_for_the_disk(database: Database, disk: Disk) -> None:
    disk.open.clear()
    first = asyncio.create_task(count(database, "first"))
    await until(lambda: disk.syncs == 1)
    names = {f"n{number}" for number in range(50)}
    others = [asyncio.create_task(count(database, name)) for name in names]
    await until(lambda: counted(database), lambda found: found == names | {"first"})
    assert not any(each.done() for each in others), "their commits came after the running fsync had begun"
    disk.open.set()
    await asyncio.gather(first, *others)
    assert disk.syncs == 2


async def test_what_is_made_again_by_itself_does_not_wait(database: Database, disk: Disk) -> None:
    await count(database, "a", durable=False)
    assert (await counted(database), disk.syncs) == ({"a"}, 0)


async def test_a_disk_that_fails_is_told_to_whoever_committed(database: Database, disk: Disk) -> None:
    disk.failure = OSError(5, "Input/output error")
    with pytest.raises(DatabaseUnavailable, match="Input/output error"):
        await count(database, "a")
    disk.failure = None
    await count(database, "b")
    assert "b" in await counted(database)


async def test_whoever_must_not_run_ahead_of_the_disk_waits_for_what_it_could_read(
    database: Database, disk: Disk
) -> None:
    await database.settled()
    assert disk.syncs == 0, "nothing was on its way"
    disk.open.clear()
    writing = asyncio.create_task(count(database, "a"))
    await until(lambda: disk.syncs == 1)
    settling = asyncio.create_task(database.settled())
    done, _ = await asyncio.wait({settling}, timeout=0.2)
    assert not done
    disk.open.set()
    await asyncio.gather(writing, settling)


async def test_the_log_is_there_and_is_what_is_synced(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The file that SQLite really writes to, not one that is absent by mistake."""
    synced: list[str] = []
    really = os.fsync

    def watched(descriptor: int) -> None:
        synced.append(str(Path(f"/proc/self/fd/{descriptor}").readlink()))
        really(descriptor)

    monkeypatch.setattr(os, "fsync", watched)
    await count(database, "a name in the log")
    [log] = synced
    assert log == f"{database.url.database}-wal"
    assert b"a name in the log" in Path(log).read_bytes()


async def test_rows_and_counts_come_back_as_from_any_driver(database: Database) -> None:
    async with database.write() as session:
        connection = await session.connection()
        await connection.execute(insert(Counted), [{"job": f"n{number}"} for number in range(5)])
        changed = await connection.execute(update(Counted).where(col(Counted.job) > "n2").values(job="n9"))
        assert changed.rowcount == 2
        statement = update(Counted).where(col(Counted.job) == "n9").values(job="n8")
        returned = await connection.execute(statement.returning(col(Counted.id)))
        assert set(returned.scalars()) == {4, 5}
