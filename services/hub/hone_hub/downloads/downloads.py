"""What jobs ask for is fetched once, however many ask."""

import asyncio
from collections.abc import Collection
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

from hone_contracts.huggingface import RepositoryFile
from hone_hub import worker_process
from hone_hub.downloads.store import Store, check_named
from hone_hub.errors import FileUnreadable
from hone_hub.huggingface.access import HubAccess
from hone_hub.work import DownloadWork, Step
from hone_hub.worker_process import OnStep

_TELL_EVERY_S = 0.25


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
    """A worker at work, and how many wait for it."""

    wanted: Wanted
    task: asyncio.Task[None] = field(init=False)
    passengers: int = 0
    last: Step | None = None

    async def heard(self, step: Step) -> None:
        self.last = step


class Downloads:
    """``spare_bytes`` stay free on the disk."""

    def __init__(
        self, folder: Path, access: HubAccess, *, parallel_files: int = 4, spare_bytes: int = 1 << 30
    ) -> None:
        self._folder, self._access = folder, access
        self._parallel_files, self._spare_bytes = parallel_files, spare_bytes
        self._in_flight: dict[tuple[str, str, str], _Flight] = {}
        self._removing = asyncio.Lock()

    async def fetch(self, wanted: Wanted, tell: OnStep) -> Fetched:
        """Who is cancelled stops waiting; the download ends with the last who waits, and can be resumed.

        Raises HubError, Refused.
        """
        check_named(wanted.repository, wanted.revision, wanted.files)
        flights = self._board(wanted)
        try:
            await self._follow(flights, tell)
        finally:
            await self._leave(flights)
        folder = Store(self._folder, wanted.repository).snapshot(wanted.revision)
        return Fetched(folder, tuple(folder / PurePosixPath(file.path) for file in wanted.files))

    async def remove(self, repository: str, revision: str | None = None, keep: Collection[str] = ()) -> int:
        """Bytes freed; nothing while something of the repository is being fetched."""
        async with self._removing:
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
        for flight in flights:
            flight.passengers += 1
        return flights

    async def _fly(self, flight: _Flight) -> None:
        wanted = flight.wanted
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
            async with self._removing:
                pass  # who comes now sees that we fly; who came before is done
            self._folder.mkdir(parents=True, exist_ok=True)
            await worker_process.run(work, flight.heard)
        except OSError as error:
            raise FileUnreadable(self._folder, error) from error
        finally:
            self._land(flight)

    def _land(self, flight: _Flight) -> None:
        """Nobody boards it any more."""
        for key in [key for key, other in self._in_flight.items() if other is flight]:
            del self._in_flight[key]

    async def _follow(self, flights: list[_Flight], tell: OnStep) -> None:
        """Until all have landed. What goes wrong with telling one concerns nobody else who waits."""
        total = sum(file.size_bytes for flight in flights for file in flight.wanted.files)
        pending, told = {flight.task for flight in flights}, None
        while pending:
            done, pending = await asyncio.wait(
                pending, timeout=_TELL_EVERY_S, return_when=asyncio.FIRST_EXCEPTION
            )
            for task in done:
                task.result()
            steps = [flight.last for flight in flights if flight.last is not None]
            message = steps[0].message if len(flights) == len(steps) == 1 else f"{len(flights)} downloads"
            step = Step(stage="download", message=message, done=sum(each.done for each in steps), total=total)
            if steps and step != told:
                told = step
                await tell(step)

    async def _leave(self, flights: list[_Flight]) -> None:
        alone: list[_Flight] = []
        for flight in flights:
            flight.passengers -= 1
            if not flight.passengers and not flight.task.done():
                self._land(flight)  # who asks from now on gets a worker that is not about to end
                flight.task.cancel()
                alone.append(flight)
        # Whoever asks again finds the worker gone, and the files as it left them.
        await asyncio.gather(*(flight.task for flight in alone), return_exceptions=True)
        for flight in flights:
            if flight.task.done() and not flight.task.cancelled():
                flight.task.exception()  # seen, if only by those who left
