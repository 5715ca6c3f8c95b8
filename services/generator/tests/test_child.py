"""The child process that is spoken to in NDJSON, as far as its users do not show it."""

import asyncio
import sys

import pytest

from hone_generator.child import NdjsonChild, Replies


@pytest.mark.parametrize("steps", range(6))
async def test_a_cancellation_that_meets_an_answer_is_not_lost(steps: int) -> None:
    """Else who asked for minutes of work goes on waiting for it, and everyone behind them too."""
    child = await NdjsonChild.start([sys.executable, "-c", "input()"], max_answer_bytes=1000)
    replies = Replies(child, 1)
    waiting = asyncio.create_task(replies.next(60))
    for _ in range(5):
        await asyncio.sleep(0)
    replies.put({"text": "a"})
    for _ in range(steps):
        await asyncio.sleep(0)
    if waiting.cancel():
        with pytest.raises(asyncio.CancelledError):
            await waiting
    else:
        assert await waiting == {"text": "a"}
    await child.close()
