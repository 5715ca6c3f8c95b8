"""Tasks end, even one that lost the first request to do so."""

import asyncio

from hone_chassis.tasks import end


async def test_a_task_that_swallows_its_first_cancellation_is_ended() -> None:
    begun = asyncio.Event()

    async def stubborn() -> None:
        begun.set()
        swallowed = False
        while True:
            try:
                await asyncio.Event().wait()
            except asyncio.CancelledError:
                if swallowed:
                    raise
                swallowed = True

    task = asyncio.create_task(stubborn())
    await begun.wait()
    await end([task])
    assert task.cancelled()
