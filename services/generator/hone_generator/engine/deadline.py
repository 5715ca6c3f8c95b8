"""Work that ends at its deadline, whatever it is doing then."""

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

T = TypeVar("T")

_GRACE_S = 0.5


class Deadlines:
    """Keeps hold of work that does not end when it is told to, until it does."""

    def __init__(self) -> None:
        self._late: set[asyncio.Task[Any]] = set()

    async def within(self, left_s: float, work: Coroutine[Any, Any, T]) -> T:
        """Raises TimeoutError after ``left_s`` and at most half a second more for the work to end."""
        task = asyncio.create_task(work)
        try:
            await asyncio.wait({task}, timeout=left_s)
        finally:
            if not task.done():
                task.cancel()
                await asyncio.wait({task}, timeout=_GRACE_S)
                self._hold(task)
        if not task.done() or task.cancelled():
            raise TimeoutError
        return task.result()

    def _hold(self, task: "asyncio.Task[Any]") -> None:
        self._late.add(task)
        task.add_done_callback(self._ended)

    def _ended(self, task: "asyncio.Task[Any]") -> None:
        self._late.discard(task)
        if not task.cancelled():
            task.exception()  # looked at, so that it is not reported as lost
