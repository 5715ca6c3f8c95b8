"""The cards of one machine as generation uses them: what is there, which models are in use, and whether
training has them. Another machine's cards are known by a number at most."""

import asyncio
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass

from hone_generator.memory import metrics
from hone_generator.memory.cards import Card, Cards
from hone_generator.memory.lease import Lease, Use
from hone_generator.memory.plan import CardSpace, Resident
from hone_generator.providers.ollama_wire import ModelEntry, full_name


@dataclass(frozen=True, slots=True)
class Key:
    """A model on a server; several servers may run on one machine."""

    url: str
    name: str


@dataclass(slots=True)
class _Using:
    """``departures`` counts how often it was sent away: who saw it loaded before, must look again.

    ``reserved_bytes`` is what it may take at any moment while it is in use, seen or not: a server may unload
    a model by itself, and load it again when the next request comes.
    """

    count: int = 0
    last_used: float = 0.0
    reserved_bytes: int = 0
    loading: bool = False
    leaving: bool = False
    departures: int = 0


class Machine:
    """``cards``: None where they cannot be seen; ``capacity_bytes`` then stands for them, if it is known."""

    def __init__(
        self, cards: Cards | None, capacity_bytes: int | None, limit: float, lease: Lease | None
    ) -> None:
        self.turn = asyncio.Lock()  # one model is loaded or unloaded at a time
        self.lease = lease
        self.settling = 0
        self._cards, self._capacity_bytes, self._limit = cards, capacity_bytes, limit
        self._using: dict[Key, _Using] = {}
        self._changed = asyncio.Event()
        self._last_end = 0.0

    def of(self, key: Key) -> _Using:
        return self._using.setdefault(key, _Using())

    def begin(self, key: Key, reserved_bytes: int) -> None:
        using = self.of(key)
        using.count += 1
        using.reserved_bytes = max(using.reserved_bytes, reserved_bytes)

    def end(self, key: Key, now: float) -> None:
        using = self.of(key)
        using.count -= 1
        using.last_used = self._last_end = now
        if not using.count:
            using.reserved_bytes = 0
        self.changed()

    def changed(self) -> None:
        """Whoever waits looks again."""
        self._changed.set()
        self._changed = asyncio.Event()

    async def change(self, within_s: float) -> None:
        """Raises TimeoutError."""
        async with asyncio.timeout(within_s):
            await self._changed.wait()

    def use(self, now: float) -> Use:
        in_use = sum(using.count for using in self._using.values())
        return Use(in_use + self.settling, now - self._last_end)

    async def look(self) -> tuple[Card, ...]:
        """The cards, if they can be seen. The driver is asked in a thread: it may take its time."""
        if self._cards is None:
            return ()
        cards = await asyncio.to_thread(self._cards.read)
        metrics.show(cards)
        return cards

    def residents(self, url: str, entries: Iterable[ModelEntry]) -> list[Resident]:
        """With who uses them at this moment."""
        found = []
        for entry in entries:
            using = self._using.get(Key(url, full_name(entry.name)), _Using())
            found.append(
                Resident(
                    full_name(entry.name),
                    entry.vram_bytes or 0,
                    entry.context_tokens,
                    using.count,
                    using.last_used,
                )
            )
        return found

    def spaces(
        self, cards: Sequence[Card], url: str, residents: Sequence[Resident], before: Collection[str]
    ) -> list[CardSpace]:
        """Empty when nothing is known. ``before``: what was resident just before the cards were looked at.

        What models in use may yet take is reserved, on every card: which one it will be is the server's to choose.
        """
        sure = {resident.name for resident in residents} & set(before)
        reserved = sum(
            using.reserved_bytes
            for key, using in self._using.items()
            if using.count and (using.loading or key.url != url or key.name not in sure)
        )
        seen = sum(resident.vram_bytes for resident in residents)
        if not cards:
            capacity = self._capacity_bytes
            return [] if capacity is None else [self._space(capacity, seen, reserved)]
        if len(cards) == 1:
            # A model that somebody else has loaded this moment may not have all its memory yet.
            return [self._space(cards[0].total_bytes, max(cards[0].used_bytes, seen), reserved)]
        return [self._space(card.total_bytes, card.used_bytes, reserved) for card in cards]

    def _space(self, total_bytes: int, used_bytes: int, reserved_bytes: int) -> CardSpace:
        return CardSpace(total_bytes, used_bytes, int(total_bytes * self._limit), reserved_bytes)
