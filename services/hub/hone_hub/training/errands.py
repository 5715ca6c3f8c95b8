"""Work that takes longer than a question may wait for its answer.

The first question begins it, those that follow are told how far it is, and one of them what came of it. Work that
nobody has asked about for a while is ended: its run was cancelled, or its asker is gone.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, Hashable
from dataclasses import dataclass, field
from typing import Any, TypeVar

from hone_chassis import Running
from hone_chassis.logs import get_logger
from hone_hub.work import Step
from hone_hub.worker_process import OnStep

log = get_logger(__name__)

T = TypeVar("T")

FORGOTTEN_AFTER_S = 900.0
_WAIT_S = 1.0  # what is done by then needs no second question
_NOTHING_YET = Step(stage="begin", message="", done=0, total=0)


@dataclass(eq=False)
class _Errand:
    asked_at: float
    last: Step | None = None
    task: asyncio.Task[Any] = field(init=False)

    async def heard(self, step: Step) -> None:
        self.last = step


class Errands:
    def __init__(self, forgotten_after_s: float = FORGOTTEN_AFTER_S, wait_s: float = _WAIT_S) -> None:
        self._forgotten_after_s, self._wait_s = forgotten_after_s, wait_s
        self._running: dict[Hashable, _Errand] = {}

    async def ask(
        self, key: Hashable, work: Callable[[OnStep], Awaitable[T]], wait_s: float | None = None
    ) -> T | Step:
        """What came of it within ``wait_s``, or how far it is. Raises what it raised: whoever asks after that begins
        it anew."""
        errand = self._running.get(key)
        if errand is None:
            errand = self._running[key] = _Errand(time.monotonic())
            errand.task = asyncio.create_task(_awaited(work(errand.heard)))
        errand.asked_at = time.monotonic()
        await asyncio.wait({errand.task}, timeout=self._wait_s if wait_s is None else wait_s)
        if not errand.task.done() or errand.task.cancelled():
            return errand.last or _NOTHING_YET
        self._forget(key, errand)
        result: T = errand.task.result()
        return result

    async def keep(self, _running: Running) -> None:
        """As long as the service runs; with it ends what is under way."""
        try:
            while True:
                await asyncio.sleep(self._forgotten_after_s / 10)
                await self._end([each for each in self._running.items() if self._is_forgotten(each[1])])
        finally:
            await self._end(list(self._running.items()))

    def _is_forgotten(self, errand: _Errand) -> bool:
        return time.monotonic() - errand.asked_at > self._forgotten_after_s

    async def _end(self, errands: list[tuple[Hashable, _Errand]]) -> None:
        for key, errand in errands:
            self._forget(key, errand)
            if not errand.task.done():
                log.info("ended before it was done", what=str(key)[:200])
                errand.task.cancel()
        await asyncio.gather(*(errand.task for _, errand in errands), return_exceptions=True)

    def _forget(self, key: Hashable, errand: _Errand) -> None:
        if self._running.get(key) is errand:
            del self._running[key]


async def _awaited(work: Awaitable[T]) -> T:
    return await work
