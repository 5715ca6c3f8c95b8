"""Many commits of SQLite, one wait for the disk.

SQLite alone waits for the disk in every commit, one after the other (``synchronous = FULL``). Here it writes its log
without waiting (``NORMAL``), and whoever committed waits until the log is on the disk; one fsync serves all who wait.
The promise is the same: a transaction is on the disk before anybody is told of it. SQLite itself waits for the disk
where the order of its files depends on it, at checkpoints (https://www.sqlite.org/wal.html, "Performance").
"""

import asyncio
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from hone_chassis.errors import DatabaseUnavailable


class GroupCommit:
    """Of one database file, in one event loop."""

    def __init__(self, database: Path) -> None:
        self._log = database.with_name(f"{database.name}-wal")
        self._turn = asyncio.Lock()
        self._written = self._on_disk = 0  # commits, counted
        self._unsettled = 0

    @asynccontextmanager
    async def one(self) -> AsyncIterator[None]:
        """Around a commit: leaves once it is on the disk. Raises DatabaseUnavailable when the disk fails."""
        self._unsettled += 1
        try:
            yield
            self._written += 1
            await self._reach_disk()
        finally:
            self._unsettled -= 1

    async def settled(self) -> None:
        """What could be read before this call is on the disk after it. Raises as ``one`` does."""
        if self._unsettled:
            self._written += 1
            await self._reach_disk()

    async def _reach_disk(self) -> None:
        mine = self._written
        async with self._turn:
            if self._on_disk >= mine:
                return  # another's fsync began after this commit, and took it along
            covered = self._written
            await asyncio.get_running_loop().run_in_executor(None, _fsync, self._log)
            self._on_disk = covered


def _fsync(log: Path) -> None:
    # Opened anew each time: SQLite may have begun another file. It locks other files than this one, which matters as
    # closing a file gives up the process's locks on it.
    try:
        descriptor = os.open(log, os.O_RDONLY)
    except FileNotFoundError:
        return  # the last connection was closed, and SQLite has moved everything into the database and synced that
    except OSError as error:
        raise DatabaseUnavailable(repr(error)) from error
    try:
        os.fsync(descriptor)
    except OSError as error:
        raise DatabaseUnavailable(repr(error)) from error
    finally:
        os.close(descriptor)
