"""Runs that wait for a kind of worker that has gone go to a kind that is there."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy.engine import RowMapping

from hone_chassis import announce
from hone_chassis.database import Database
from hone_chassis.logs import get_logger
from hone_chassis.tables import utc_now
from hone_trainer.runs import book, workers
from hone_trainer.runs.placing import Alive, command_for, place_for

log = get_logger(__name__)

_PATIENCE = timedelta(minutes=1)
"""A worker that is started anew is back by then."""


@dataclass(frozen=True)
class Mover:
    database: Database
    clock: Callable[[], datetime] = utc_now

    async def tick(self) -> None:
        async with self.database.read() as session:
            waiting = [run for run in await book.waiting(session) if self._waits_in_vain(run)]
            alive = await workers.alive(session) if waiting else []
        for run in waiting:
            if (place := _better(run, alive)) is not None:
                await self._move(run, place)

    def _waits_in_vain(self, run: RowMapping) -> bool:
        """All workers take what is for any."""
        waits_since: datetime = run["updated_at"]
        waits = run["state"] == "queued" and run["place"] != "any"
        return waits and self.clock() > waits_since + _PATIENCE

    async def _move(self, run: RowMapping, place: str) -> None:
        command = command_for(run, place)
        same = (book.in_state("queued"), book.held_by(run["fence"]))
        async with self.database.write() as session:
            if await book.queue(session, run["id"], command.message_id, *same, place=place) is not None:
                announce(session, command)
                log.info("a run waits elsewhere", run_id=run["id"], was=run["place"], place=place)


def _better(run: RowMapping, alive: list[Alive]) -> str | None:
    """None: its kind is there, or no other that is could do it."""
    if any(run["place"] in each.places for each in alive):
        return None
    place = place_for(run["method"], run["settings"], alive)
    return place if any(place in each.places for each in alive) else None
