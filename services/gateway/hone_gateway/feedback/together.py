"""Words that come at the same time share one transaction, and one wait for the disk."""

import asyncio
from collections import deque
from dataclasses import dataclass, field

from hone_chassis.database import Database
from hone_gateway.errors import NoSuchArtifact
from hone_gateway.feedback.recording import Recorder, Row
from hone_gateway.feedback.words import Word

_MOST = 64
_Told = Row | Exception


@dataclass
class Together:
    """A word that comes alone is written at once; those that come while one is being written go with the next."""

    database: Database
    recorder: Recorder
    _waiting: deque[tuple[Word, asyncio.Future[_Told]]] = field(default_factory=deque)
    _turn: asyncio.Lock = field(default_factory=asyncio.Lock)

    async def write(self, word: Word) -> Row:
        """Raises NoSuchArtifact, DatabaseUnavailable."""
        mine: asyncio.Future[_Told] = asyncio.get_running_loop().create_future()
        self._waiting.append((word, mine))
        async with self._turn:
            if not mine.done():
                batch = [self._waiting.popleft() for _ in range(min(_MOST, len(self._waiting)))]
                # The others' words are written even if this one's caller is gone.
                await asyncio.shield(self._write(batch))
        told = await mine
        if isinstance(told, Exception):
            raise told
        return told

    async def _write(self, batch: list[tuple[Word, asyncio.Future[_Told]]]) -> None:
        told: list[Row | NoSuchArtifact] | list[Exception]
        try:
            async with self.database.write() as session:
                told = await self.recorder.record(session, [word for word, _ in batch])
        except Exception as error:  # noqa: BLE001 (each who waits is told, whatever it was)
            told = [error] * len(batch)
        for (_, future), each in zip(batch, told, strict=True):
            if not future.done():
                future.set_result(each)
