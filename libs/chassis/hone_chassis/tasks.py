"""Ending tasks for certain."""

import asyncio
from collections.abc import Iterable
from typing import Any

_ASK_AGAIN_S = 0.5


async def end(tasks: Iterable["asyncio.Future[Any]"]) -> None:
    """Cancel the tasks and wait until they have ended, whatever they end with.

    Asks again, since one request can get lost: before Python 3.12, ``asyncio.wait_for`` (which nats-py uses for every
    request) swallows a cancellation that arrives together with its result.
    """
    pending = set(tasks)
    while pending:
        for task in pending:
            task.cancel()
        _, pending = await asyncio.wait(pending, timeout=_ASK_AGAIN_S)
