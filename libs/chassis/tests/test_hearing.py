"""Messages that are not stored: heard by every replica, and never in each other's way."""

import asyncio
from pathlib import Path
from typing import Any

import nats
from counting.app import counting_service, settings
from running import started, until


async def test_a_message_that_cannot_be_taken_in_does_not_end_the_hearing(
    nats_server: Any, tmp_path: Path
) -> None:
    heard: list[bytes] = []

    async def listen(body: bytes) -> None:
        if body == b"bad":
            raise ValueError(body)
        heard.append(body)

    services = []
    for number in range(2):
        url = f"sqlite+aiosqlite:///{tmp_path / str(number)}.db"
        services.append(counting_service(settings(nats_server.url, url, tmp_path)))
        services[-1].hears("hone.test.*", listen)
    async with started(services[0]), started(services[1]):
        speaker = await nats.connect(nats_server.url)
        for body in (b"one", b"bad", b"two"):
            await speaker.publish("hone.test.a", body)
        await until(lambda: len(heard) == 4)
    assert sorted(heard) == [b"one", b"one", b"two", b"two"]
    await speaker.publish("hone.test.a", b"late")
    await speaker.flush()
    await asyncio.sleep(0)
    assert len(heard) == 4, "who has stopped hears no more"
    await speaker.close()
