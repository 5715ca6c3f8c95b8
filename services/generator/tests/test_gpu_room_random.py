"""Many uses of many models at once, in every order that an event loop may bring about: no card passes its limit, no
model in use is sent away, and everybody is answered or told why not."""

import asyncio
import random
from collections import Counter
from dataclasses import dataclass

from gpu_scene import settings as gpu_settings
from hypothesis import given, settings
from hypothesis import strategies as st
from simulated_cards import GIB, Exhausted, SimulatedCards
from simulated_time import now, simulated

from hone_generator.memory.cards import Card
from hone_generator.memory.errors import OutOfMemory
from hone_generator.memory.footprint import LayerCache, ModelFacts, Serving, predict
from hone_generator.memory.hosts import Wanted
from hone_generator.memory.machine import Key
from hone_generator.memory.room import Room
from hone_generator.providers.errors import ProviderError
from hone_generator.providers.ollama_wire import ModelEntry

FACTS = {
    name: ModelFacts(int(gib * GIB), (LayerCache(2048),) * 32, 4096, 32, 128, 128_256)
    for name, gib in {"a:1": 4, "b:1": 7, "c:1": 9, "d:1": 14, "e:1": 30}.items()
}


class Host:
    """A server in this process, in simulated time. Everything takes as long as ``dice`` say: milliseconds for a
    listing, which is as old when it arrives, seconds for a load or until a model has gone."""

    url = "http://127.0.0.1:1"

    def __init__(self, cards: SimulatedCards, dice: random.Random) -> None:
        self.cards, self.dice = cards, dice
        self.percent_taken = {name: dice.randint(86, 100) for name in FACTS}
        self.contexts: dict[str, int] = {}
        self.active: Counter[str] = Counter()
        self.sent_away_in_use: list[str] = []
        self.exhausted = 0
        self.going: set[asyncio.Task[None]] = set()
        self.scheduler = asyncio.Lock()

    async def some_ms(self, most: int = 5) -> None:
        await asyncio.sleep(self.dice.randint(0, most) / 1000)

    async def some_s(self, most: int = 4) -> None:
        await asyncio.sleep(self.dice.randint(1, most * 10) / 10)

    async def look(self) -> tuple[Card, ...]:
        await self.some_ms()
        cards = self.cards.read()
        await self.some_ms()
        return cards

    async def loaded(self) -> list[ModelEntry]:
        await self.some_ms()
        listed = [
            ModelEntry(name, "", self.cards.taken_by(name), self.cards.taken_by(name), context)
            for name, context in self.contexts.items()
        ]
        await self.some_ms()
        return listed

    async def load(self, name: str, context_tokens: int) -> None:
        await self.some_ms()
        async with self.scheduler:
            if self.contexts.get(name) == context_tokens:
                return
            await self.some_s(20)
            predicted = predict(FACTS[name], context_tokens, Serving())
            taken = predicted.total_bytes * self.percent_taken[name] // 100
            try:
                self.cards.take(name, taken, predicted.per_card_bytes)
            except Exhausted:
                self.exhausted += 1
                raise OutOfMemory(name, "cudaMalloc failed: out of memory") from None
            self.contexts[name] = context_tokens
        await self.some_ms()

    async def unload(self, name: str) -> None:
        await self.some_ms()
        if self.active[name]:
            self.sent_away_in_use.append(name)
        task = asyncio.ensure_future(self._go(name))
        self.going.add(task)
        task.add_done_callback(self.going.discard)

    async def _go(self, name: str) -> None:
        async with self.scheduler:
            await self.some_s()
            self.contexts.pop(name, None)
            await asyncio.sleep(self.dice.random())
            self.cards.give_back(name)

    def expire(self, name: str) -> None:
        if not self.active[name] and not self.scheduler.locked():
            self.contexts.pop(name, None)
            self.cards.give_back(name)


@dataclass(frozen=True)
class Use:
    """Times in seconds. ``expires``: the server unloads the model before it is asked, and loads it again then."""

    name: str
    contexts: tuple[int, ...]
    begins: int
    lasts: int
    given_up_after: int | None
    expires: bool


USES = st.builds(
    Use,
    name=st.sampled_from(sorted(FACTS)),
    contexts=st.sampled_from([(4096,), (8192, 5120), (16_384, 8448, 4352), (32_768, 4096)]),
    begins=st.integers(0, 60),
    lasts=st.integers(0, 40),
    given_up_after=st.none() | st.integers(0, 60),
    expires=st.booleans(),
)


async def happen(uses: list[Use], sizes: list[int], seed: int) -> None:
    cards = SimulatedCards(*sizes)
    host = Host(cards, random.Random(seed))
    room = Room(gpu_settings(poll_s=0.1), cards, now)
    room.here.look = host.look  # type: ignore[method-assign]
    room.add(host)

    async def use(wanted: Use) -> None:
        asked = Wanted(wanted.name, wanted.name, wanted.contexts, wanted.contexts[0], "", FACTS[wanted.name])
        async with room.use(host, asked) as context_tokens:
            assert context_tokens >= wanted.contexts[-1]
            if wanted.expires:
                host.expire(wanted.name)
            if host.contexts.get(wanted.name) != context_tokens:
                await host.load(wanted.name, context_tokens)  # as Ollama does by itself when it is asked
            host.active[wanted.name] += 1
            try:
                await asyncio.sleep(wanted.lasts)
            finally:
                host.active[wanted.name] -= 1

    async def given_up(wanted: Use) -> None:
        await asyncio.sleep(wanted.begins)
        task = asyncio.ensure_future(use(wanted))
        if wanted.given_up_after is not None:
            await asyncio.sleep(wanted.given_up_after)
            task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        if not task.cancelled() and (error := task.exception()) is not None:
            assert isinstance(error, ProviderError), error

    await asyncio.gather(*map(given_up, uses))
    while room.here.use(now()).in_use or host.going:  # loads that nobody waited for come to their end
        await asyncio.sleep(1)
    assert cards.peak_share <= 0.9
    assert host.sent_away_in_use == []
    assert host.exhausted == 0
    assert not room.here.turn.locked()
    assert all(not room.here.of(Key(host.url, name)).reserved_bytes for name in FACTS)


@given(
    uses=st.lists(USES, min_size=1, max_size=12),
    sizes=st.sampled_from([[24], [12], [16, 16], [24, 8]]),
    seed=st.integers(0, 1000),
)
@settings(max_examples=150, deadline=None)
def test_whatever_happens_at_once_the_cards_hold(uses: list[Use], sizes: list[int], seed: int) -> None:
    simulated(happen(uses, sizes, seed))
