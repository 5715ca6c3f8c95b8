"""A run in a worker's hands: signs of life, what is wanted of it meanwhile, and letting go of it in good order."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from time import monotonic

from sqlalchemy.engine import RowMapping

from hone_chassis.database import Database
from hone_chassis.errors import DatabaseUnavailable
from hone_chassis.logs import get_logger
from hone_trainer.runs import book

log = get_logger(__name__)

CHECKPOINTING = frozenset({"lora", "qlora", "kto"})
"""Methods that go on from where they were. Of another, what is interrupted begins anew."""

_LOOK_S = 1.0  # a pause is seen within two seconds
_TOUCH_S = 20.0
_ENDS_WITHIN_S = 5.0


class LetGo(Exception):
    """The run goes on without this worker, or not at all: paused, another's, ended."""

    def __init__(self, state: str | None) -> None:
        self.state = state


class HandBack(Exception):
    """The service stops: whoever comes next goes on from the checkpoint."""


@dataclass
class Hold:
    """``stop`` is set when the run is to end early, with the best of what it has learned."""

    database: Database
    run: RowMapping
    stopping: Callable[[], bool]
    save_s: float
    stop: asyncio.Event = field(default_factory=asyncio.Event)
    leaving: LetGo | HandBack | None = None

    @property
    def run_id(self) -> str:
        return str(self.run["id"])

    @property
    def checkpoints(self) -> bool:
        return self.run["method"] in CHECKPOINTING

    @property
    def ends_within_s(self) -> float:
        """How long a process may take to end: a checkpoint is worth waiting for if somebody goes on from it."""
        goes_on = isinstance(self.leaving, HandBack) or (
            isinstance(self.leaving, LetGo) and self.leaving.state in ("paused", "queued")
        )
        return self.save_s if self.checkpoints and goes_on else _ENDS_WITHIN_S

    @asynccontextmanager
    async def kept(self) -> AsyncIterator[None]:
        """The watchdog sees that the work goes on. Raises LetGo, HandBack in the block's place."""
        work = asyncio.current_task()
        assert work is not None
        if self.run["control"] == "stop":
            self.stop.set()
        watching = asyncio.create_task(self._watch(work))
        try:
            yield
        except asyncio.CancelledError:
            if self.leaving is not None and work.uncancel() == 0:
                raise self.leaving from None
            raise
        finally:
            watching.cancel()

    def check(self) -> None:
        """Before something long begins: a cancellation that came with an answer to a question may have got lost.
        Raises CancelledError."""
        if self.leaving is not None:
            raise asyncio.CancelledError

    async def _watch(self, work: "asyncio.Task[object]") -> None:
        touched_at = monotonic()
        while self.leaving is None:
            await asyncio.sleep(_LOOK_S)
            if self.checkpoints and self.stopping():
                self.leaving = HandBack()
                break
            due = monotonic() >= touched_at + _TOUCH_S
            try:
                self.leaving = await self._look(touch=due)
            except DatabaseUnavailable as error:
                log.warning("a run is not looked at", run_id=self.run_id, error=str(error))
                continue
            touched_at = monotonic() if due else touched_at
        work.cancel()

    async def _look(self, *, touch: bool) -> LetGo | None:
        """None: the run is still this worker's."""
        fence = self.run["fence"]
        if touch:
            async with self.database.write(durable=False) as session:
                await book.change(session, self.run_id, book.held_by(fence))
        async with self.database.read() as session:
            now = await book.held_as(session, self.run_id)
        if now is None or (now["state"], now["fence"]) != ("training", fence):
            return LetGo(None if now is None else now["state"])
        if now["control"] == "stop":
            self.stop.set()
        return None
