"""Running a real service inside a test, and waiting for what it brings about."""

import asyncio
import inspect
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any, TypeVar, overload

from hone_chassis import Service
from hone_chassis.http import listen
from hone_chassis.runtime import run

T = TypeVar("T")


@overload
async def until(
    look: Callable[[], Awaitable[T]], holds: Callable[[T], object] = bool, limit_s: float = 60.0
) -> T: ...
@overload
async def until(look: Callable[[], T], holds: Callable[[T], object] = bool, limit_s: float = 60.0) -> T: ...
async def until(look: Callable[[], Any], holds: Callable[[Any], object] = bool, limit_s: float = 60.0) -> Any:
    """Look until what is seen holds: another process or task brings it about. Gives what was seen.

    Raises AssertionError with what was seen last when that takes longer than ``limit_s``.
    """
    seen = None
    try:
        async with asyncio.timeout(limit_s):
            while not holds(seen := await _seen(look)):
                await asyncio.sleep(0.02)
    except TimeoutError:
        raise AssertionError(f"still {seen!r} after {limit_s:g} s") from None
    return seen


async def _seen(look: Callable[[], Any]) -> Any:
    found = look()
    return await found if inspect.isawaitable(found) else found


@asynccontextmanager
async def started(service: Service) -> AsyncIterator[str]:
    """The service, taking messages; gives its URL, and stops it as SIGTERM would."""
    stop = asyncio.Event()
    listener = listen("127.0.0.1", 0)
    task = asyncio.create_task(run(service, stop, listener))

    def taking_messages() -> bool:
        if task.done():
            task.result()
        return service.health.started

    try:
        await until(taking_messages)
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    finally:
        stop.set()
        await task
