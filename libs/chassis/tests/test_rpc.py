"""Asking another service: whoever does not answer is not waited for longer than was said."""

import asyncio
from typing import Any

import nats
import pytest
from nats.aio.msg import Msg

from hone_chassis import ServiceUnavailable, rpc
from hone_contracts.registry import ListModels, Models


async def test_a_service_that_listens_and_does_not_answer_is_unavailable_after_the_time_given(
    nats_server: Any,
) -> None:
    heard: list[bytes] = []

    async def says_nothing(message: Msg) -> None:
        heard.append(message.data)

    client = await nats.connect(nats_server.url)
    await client.subscribe(ListModels.subject, cb=says_nothing)
    async with asyncio.timeout(4):  # it is less than what is waited for when nothing is said
        with pytest.raises(ServiceUnavailable, match=r"no answer in 0\.2 s") as caught:
            await rpc.ask(client, ListModels.subject, ListModels(), Models, timeout_s=0.2)
    await client.close()
    assert (caught.value.transient, caught.value.status, len(heard)) == (True, 503, 1)
