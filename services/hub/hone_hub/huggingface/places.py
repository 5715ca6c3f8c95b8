"""Where a model could be held, and how much of it is free."""

import asyncio

import psutil
from nats.aio.client import Client

from hone_chassis import RemoteError, rpc
from hone_chassis.errors import ServiceUnavailable
from hone_chassis.logs import get_logger
from hone_contracts.huggingface import MemoryPlace
from hone_contracts.providers import ListProviders, Providers

log = get_logger(__name__)

_LIMIT_S = 5.0


async def places(client: Client) -> tuple[MemoryPlace, ...]:
    """The cards that the generator sees, the one with most free memory first; all of them together, as llama.cpp
    spreads a model over them; then this machine's memory. Without a generator, the memory alone."""
    return (*await _cards(client), await asyncio.to_thread(_memory))


async def _cards(client: Client) -> tuple[MemoryPlace, ...]:
    try:
        told = await rpc.ask(client, ListProviders.subject, ListProviders(), Providers, _LIMIT_S)
    except (RemoteError, ServiceUnavailable) as error:
        log.info("the generator does not tell its cards", error=str(error))
        return ()
    cards = [
        MemoryPlace(
            kind="gpu",
            name=card.name if len(told.gpus) == 1 else f"card {number} ({card.name})",
            total_bytes=card.total_bytes,
            free_bytes=max(0, card.total_bytes - card.used_bytes),
        )
        for number, card in enumerate(told.gpus)
    ]
    cards.sort(key=lambda card: -card.free_bytes)
    if len(cards) < 2:
        return tuple(cards)
    together = MemoryPlace(
        kind="gpu",
        name=f"{len(cards)} cards together",
        total_bytes=sum(card.total_bytes for card in cards),
        free_bytes=sum(card.free_bytes for card in cards),
    )
    return (*cards, together)


def _memory() -> MemoryPlace:
    memory = psutil.virtual_memory()
    return MemoryPlace(
        kind="ram", name="this machine's memory", total_bytes=memory.total, free_bytes=memory.available
    )
