"""Messages that are taken as they are (dead letters, advisories): tried until they are handled, never buried."""

from pathlib import Path
from typing import Any

import pytest
from counting.app import counting_service, settings
from running import started, until

from hone_chassis import Permanent, Transient
from hone_chassis.service import RawMessage
from hone_contracts import streams, subjects


@pytest.fixture
def sqlite_url(tmp_path: Path) -> str:
    return f"sqlite+aiosqlite:///{tmp_path / 'test.db'}"


@pytest.mark.parametrize("error", [Transient("busy", "Busy", "later"), ZeroDivisionError("a bug")])
async def test_a_raw_message_is_tried_past_the_deliveries_others_get_and_never_buried(
    nats_server: Any, sqlite_url: str, tmp_path: Path, error: Exception
) -> None:
    service = counting_service(
        settings(nats_server.url, sqlite_url, tmp_path, max_deliver=2, retry_delay_max_s=0.05)
    )
    taken: list[RawMessage] = []

    async def handle(message: RawMessage) -> None:
        taken.append(message)
        if len(taken) < 6:
            raise error

    service.consumes(streams.DEAD_LETTERS, subjects.ALL_DEAD, handler=handle, name="dead-letters")
    async with started(service):
        jetstream = service.running.jetstream
        await jetstream.publish(subjects.dead("hone.any.v1"), b"\xff no json", headers={"Hone-Reason": "x"})

        async def in_hand() -> int:
            (consumer,) = service.consumers
            info = await jetstream.consumer_info(consumer.stream, consumer.durable)
            return (info.num_pending or 0) + (info.num_ack_pending or 0)

        await until(in_hand, lambda count: count == 0)
        letters = (await jetstream.stream_info(streams.DEAD_LETTERS.name)).state.messages
    assert len(taken) == 6
    assert all(message == taken[0] for message in taken)
    assert (taken[0].subject, taken[0].body) == (subjects.dead("hone.any.v1"), b"\xff no json")
    assert taken[0].headers["Hone-Reason"] == "x"
    assert letters == 1  # itself


async def test_a_raw_message_that_will_never_work_is_let_go_and_not_buried(
    nats_server: Any, sqlite_url: str, tmp_path: Path
) -> None:
    service = counting_service(settings(nats_server.url, sqlite_url, tmp_path))
    taken: list[bytes] = []

    async def handle(message: RawMessage) -> None:
        taken.append(message.body)
        if message.body == b"one":
            raise Permanent("unreadable", "Cannot be read", "it never will")

    service.consumes(streams.DEAD_LETTERS, subjects.ALL_DEAD, handler=handle, name="dead-letters")
    async with started(service):
        jetstream = service.running.jetstream
        for body in (b"one", b"two"):
            await jetstream.publish(subjects.dead("hone.any.v1"), body)
        await until(lambda: b"two" in taken)
        letters = (await jetstream.stream_info(streams.DEAD_LETTERS.name)).state.messages
    assert sorted(taken) == [b"one", b"two"]
    assert letters == 2
