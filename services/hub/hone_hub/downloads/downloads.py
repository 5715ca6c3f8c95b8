"""What jobs ask for is fetched once, however many ask."""

import asyncio
from collections.abc import Collection
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

from hone_contracts.huggingface import RepositoryFile
from hone_hub import worker_process
from hone_hub.downloads.store import Store, check_name
from hone_hub.huggingface.access import HubAccess
from hone_hub.work import DownloadWork, Step
from hone_hub.worker_process import OnStep


@dataclass(frozen=True)
class Wanted:
    """``revision`` is a commit: what a branch is called may move meanwhile."""

    repository: str
    revision: str
    files: tuple[RepositoryFile, ...]


@dataclass(frozen=True)
class Fetched:
    """``folder`` is the snapshot's; ``paths`` are in the order that the files were wanted in."""

    folder: Path
    paths: tuple[Path, ...]


@dataclass(eq=False)
class _Flight:
    """A worker at work, and who waits for it."""

    wanted: Wanted
    task: asyncio.Task[None] = field(init=False)
    listeners: list["_Listener"] = field(default_factory=list)
    last: Step | None = None

    async def heard(self, step: Step) -> None:
        self.last = step
        for listener in list(self.listeners):
            await listener.heard()


@dataclass(eq=False)
class _Listener:
    """A job that waits for one flight or several, and is told of all of them together."""

    tell: OnStep
    flights: list[_Flight]

    async def heard(self) -> None:
        steps = [flight.last for flight in self.flights if flight.last is not None]
        if steps:
            done, total = sum(step.done for step in steps), self._total()
            message = steps[0].message if len(steps) == 1 else f"{len(self.flights)} downloads"
            await self.tell(Step(stage="download", message=message, done=done, total=total))

    def _total(self) -> int:
        return sum(file.size_bytes for flight in self.flights for file in flight.wanted.files)


class Downloads:
    """``spare_bytes`` stay free on the disk."""

    def __init__(
        self, folder: Path, access: HubAccess, *, parallel_files: int = 4, spare_bytes: int = 1 << 30
    ) -> None:
        self._folder, self._access = folder, access
        self._parallel_files, self._spare_bytes = parallel_files, spare_bytes
        self._in_flight: dict[tuple[str, str, str], _Flight] = {}

    async def fetch(self, wanted: Wanted, tell: OnStep) -> Fetched:
        """Who is cancelled stops waiting; the download ends with the last who waits, and can be resumed.

        Raises HubError, Refused.
        """
        for file in wanted.files:
            check_name(wanted.repository, file.path)
        listener = _Listener(tell, self._board(wanted))
        for flight in listener.flights:
            flight.listeners.append(listener)
        try:
            await asyncio.gather(*(asyncio.shield(flight.task) for flight in listener.flights))
        finally:
            await self._leave(listener)
        folder = Store(self._folder, wanted.repository).snapshot(wanted.revision)
        return Fetched(folder, tuple(folder / PurePosixPath(file.path) for file in wanted.files))

    async def remove(self, repository: str, revision: str | None = None, keep: Collection[str] = ()) -> int:
        """Bytes freed; nothing while something of the repository is being fetched."""
        if any(key[0] == repository for key in self._in_flight):
            return 0
        store = Store(self._folder, repository)
        return await asyncio.to_thread(store.remove, revision, frozenset(keep))

    def _board(self, wanted: Wanted) -> list[_Flight]:
        """The flights that bring these files: those under way, and one of our own for the rest."""
        flights: list[_Flight] = []
        rest: list[RepositoryFile] = []
        for file in wanted.files:
            there = self._in_flight.get((wanted.repository, wanted.revision, file.path))
            if there is None:
                rest.append(file)
            elif there not in flights:
                flights.append(there)
        if rest:
            own = _Flight(Wanted(wanted.repository, wanted.revision, tuple(rest)))
            for file in rest:
                self._in_flight[wanted.repository, wanted.revision, file.path] = own
            own.task = asyncio.create_task(self._fly(own))
            flights.append(own)
        return flights

    async def _fly(self, flight: _Flight) -> None:
        wanted = flight.wanted
        self._folder.mkdir(parents=True, exist_ok=True)
        token = self._access.token
        work = DownloadWork(
            endpoint=self._access.endpoint,
            token=None if token is None else token.get_secret_value(),
            repository=wanted.repository,
            revision=wanted.revision,
            files=wanted.files,
            folder=str(self._folder),
            parallel_files=self._parallel_files,
            spare_bytes=self._spare_bytes,
        )
        try:
            await worker_process.run(work, flight.heard)
        finally:
            for file in wanted.files:
                self._in_flight.pop((wanted.repository, wanted.revision, file.path), None)

    async def _leave(self, listener: _Listener) -> None:
        alone: list[_Flight] = []
        for flight in listener.flights:
            flight.listeners.remove(listener)
            if not flight.listeners and not flight.task.done():
                flight.task.cancel()
                alone.append(flight)
        # Whoever asks again finds the worker gone, and the files as it left them.
        await asyncio.gather(*(flight.task for flight in alone), return_exceptions=True)
        for flight in listener.flights:
            if flight.task.done() and not flight.task.cancelled():
                flight.task.exception()  # seen, if only by those who left
