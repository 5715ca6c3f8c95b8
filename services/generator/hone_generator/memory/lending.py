"""Lending this machine's cards to a training run: the generator's answers to the questions of
``hone_contracts.card``."""

import asyncio
import contextlib
import time
from datetime import UTC, datetime, timedelta

from hone_chassis.errors import Permanent
from hone_contracts.card import CardLease, CardMemory, CardReleased, ReleaseCard, RenewCard, RequestCard
from hone_generator.memory import metrics
from hone_generator.memory.cards import Card
from hone_generator.memory.lease import Clear, Grant, NotYet
from hone_generator.memory.room import Room
from hone_generator.memory.steps import evict
from hone_generator.providers.errors import ProviderError


class Lending:
    """Of one generator's room: several generators on one machine do not know of each other's answers."""

    def __init__(self, room: Room) -> None:
        self._room = room

    async def request(self, question: RequestCard) -> CardLease:
        """May take as long as models take to leave (``unload_wait_s`` for each): ask with patience."""
        room, now = self._room, self._room.clock()
        answer = room.lease.ask(question.run, question.policy, room.here.use(now), now)
        room.here.changed()  # who waits for the card may have to go elsewhere
        if isinstance(answer, NotYet):
            return CardLease(granted=False, reason=answer.reason, retry_after_s=answer.retry_after_s)
        if isinstance(answer, Clear):
            # The wall clock, so that tokens grow over restarts of this service too.
            answer = room.lease.grant(question.run, question.lease_s, now, token=int(time.time() * 1000))
        async with room.here.turn:
            await self._make_room()
        # Its time begins when it has the cards.
        grant = room.lease.renew(question.run, answer.token, question.lease_s, room.clock())
        if grant is None:
            return CardLease(granted=False, reason="it took too long to make room", retry_after_s=1.0)
        return await self._told(grant)

    async def renew(self, question: RenewCard) -> CardLease:
        room = self._room
        grant = room.lease.renew(question.run, question.token, question.lease_s, room.clock())
        if grant is None:
            raise Permanent(
                "lease_lost",
                "The card is no longer lent to this run",
                f"{question.run} held it with token {question.token}, until it ran out or the generator was "
                "started anew: stop using the card, and ask for it again",
                409,
            )
        return await self._told(grant)

    async def release(self, question: ReleaseCard) -> CardReleased:
        room = self._room
        was_held = room.lease.release(question.run, question.token, room.clock())
        room.here.changed()
        metrics.LEASED.set(0 if room.lease.holder(room.clock()) is None else 1)
        return CardReleased(was_held=was_held)

    async def report(self) -> None:
        """Keeps the metrics true while nothing is generated. Runs until it is cancelled."""
        while True:
            await self._room.here.look()
            metrics.LEASED.set(0 if self._room.lease.holder(self._room.clock()) is None else 1)
            await asyncio.sleep(self._room.settings.report_s)

    async def _make_room(self) -> None:
        """A server that does not answer has nothing that we could send away; one that keeps a model is its own
        master, and the run sees by the cards' figures what it has."""
        room = self._room
        for host in room.hosts_here.values():
            with contextlib.suppress(ProviderError):
                for resident in room.here.residents(host.url, await host.loaded()):
                    await evict(room.here, host, resident, room.settings, "lease")

    async def _told(self, grant: Grant) -> CardLease:
        room = self._room
        remaining_s = max(grant.expires - room.clock(), 0)
        cards = await room.here.look()
        metrics.LEASED.set(1)
        return CardLease(
            granted=True,
            token=grant.token,
            expires_at=datetime.now(UTC) + timedelta(seconds=remaining_s),
            cards=tuple(map(_memory, cards)),
        )


def _memory(card: Card) -> CardMemory:
    return CardMemory(
        uuid=card.uuid, name=card.name, total_bytes=card.total_bytes, used_bytes=card.used_bytes
    )
