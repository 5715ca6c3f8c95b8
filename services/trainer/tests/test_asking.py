"""Questions to services that are started anew while a run has work for them."""

import asyncio
from typing import Any

import nats
import pytest
from nats.aio.msg import Msg

from hone_chassis import ServiceUnavailable, rpc
from hone_contracts.providers import ListProviders, Providers
from hone_trainer.asking import Asking


async def test_a_service_may_be_away_for_a_while_and_no_longer(nats_server: Any) -> None:
    client = await nats.connect(nats_server.url)

    async def list_providers(_: ListProviders) -> Providers:
        return Providers(providers=())

    answer = rpc.answering(ListProviders.subject, ListProviders, list_providers)

    async def reply(message: Msg) -> None:
        await message.respond(await answer(message.data))

    with pytest.raises(ServiceUnavailable, match="nobody listens"):
        await Asking(lambda: client, 1.0)(ListProviders(), Providers)
    with pytest.raises(ServiceUnavailable, match="nobody listens"):
        await Asking(lambda: client, 1.0, 0.5)(ListProviders(), Providers)
    asking = asyncio.create_task(Asking(lambda: client, 1.0, 30.0)(ListProviders(), Providers))
    await asyncio.sleep(0.5)
    await client.subscribe(ListProviders.subject, cb=reply)
    assert (await asking).providers == ()
    await client.close()
