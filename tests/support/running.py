"""Running a real service inside a test, and waiting for what it brings about."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

from hone_chassis import Service
from hone_chassis.http import listen
from hone_chassis.runtime import run


async def until(condition: Callable[[], Awaitable[bool]], limit_s: float = 20.0) -> None:
    """Wait for a condition that another process or task brings about."""
    async with asyncio.timeout(limit_s):
        while not await condition():
            await asyncio.sleep(0.02)


@asynccontextmanager
async def started(service: Service) -> AsyncIterator[str]:
    """The service, taking messages; gives its URL, and stops it as SIGTERM would."""
    stop = asyncio.Event()
    listener = listen("127.0.0.1", 0)
    task = asyncio.create_task(run(service, stop, listener))

    async def ready() -> bool:
        if task.done():
            task.result()
        return service.health.started

    try:
        await until(ready)
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    finally:
        stop.set()
        await task
