"""Step by step to a model that is loaded: look, decide, do one thing, look again."""

import asyncio
import contextlib
import logging
from collections.abc import Callable, MutableMapping
from dataclasses import dataclass, replace

from hone_generator.memory import metrics
from hone_generator.memory.errors import CardBusy, CardLeased, DoesNotFit, OutOfMemory, RunnerDied
from hone_generator.memory.footprint import predict
from hone_generator.memory.hosts import ModelHost, Wanted
from hone_generator.memory.machine import Key, Machine
from hone_generator.memory.plan import (
    Busy,
    CannotFit,
    CardSpace,
    Decision,
    Load,
    Option,
    Resident,
    Unload,
    UseAsIs,
    Wish,
    decide,
    keeps,
)
from hone_generator.memory.settings import GpuSettings
from hone_generator.providers.errors import ProviderError
from hone_generator.providers.ollama_wire import full_name

_log = logging.getLogger(__name__)
# Of the memory of a model that left, so much must be free before the card counts as freed: as Ollama itself waits.
_FREED_SHARE = 0.8
_LOOK_AGAIN_S = 1.0
# Somebody else loads them again as fast as they leave.
_MOST_EVICTIONS = 32

Surplus = MutableMapping[tuple[str, str], int]
"""By a model's name and digest: the bytes that it took beyond what was predicted."""


@dataclass(frozen=True, slots=True)
class Rules:
    """What is the same for all models. ``clock`` gives seconds and only goes forward."""

    settings: GpuSettings
    clock: Callable[[], float]
    surplus: Surplus


@dataclass(frozen=True, slots=True)
class Sight:
    """``spaces`` is empty where nothing is known of the cards."""

    residents: list[Resident]
    spaces: list[CardSpace]


class Steps:
    """For one use of one model."""

    def __init__(self, machine: Machine, host: ModelHost, wanted: Wanted, rules: Rules) -> None:
        self._machine, self._host, self._wanted = machine, host, wanted
        self._settings, self._clock, self._surplus = rules.settings, rules.clock, rules.surplus
        self._name = full_name(wanted.name)
        self._key = Key(host.url, self._name)
        self._evictions = 0

    async def at_once(self) -> int | None:
        """If the model is loaded with enough context and is not being sent away, it is in use when this returns."""
        self._refuse_if_leased()
        using = self._machine.of(self._key)
        departures = using.departures
        entries = await self._host.loaded()
        if using.leaving or using.departures != departures:
            return None  # what was seen may be over
        self._refuse_if_leased()
        for resident in self._machine.residents(self._host.url, entries):
            context = resident.context_tokens
            if resident.name == self._name and context is not None and context >= self._wanted.enough_tokens:
                self._machine.begin(self._key, resident.vram_bytes)
                return context
        return None

    async def settle(self) -> int:
        """The context that the model is loaded with; it is in use when this returns. One at a time on a machine."""
        deadline = self._clock() + self._settings.busy_wait_s
        while True:
            sight = await self.look()
            self._refuse_if_leased()
            match self.decide(sight):  # and nothing else happens before its first step is begun
                case UseAsIs(context_tokens):
                    self._machine.begin(self._key, self._resident(sight, self._name).vram_bytes)
                    return context_tokens
                case Load() as load:
                    if (failed := await self._load(load)) is None:
                        return load.context_tokens
                    await self._after(failed, load)
                case Unload(name, reload):
                    await self._evict(self._resident(sight, name), "context" if reload else "room")
                case Busy(names):
                    await self._wait(f"{', '.join(names)} in use", deadline)
                case CannotFit(context_tokens, needed_bytes, room_bytes):
                    raise DoesNotFit(self._wanted.model, context_tokens, needed_bytes, room_bytes)

    async def look(self) -> Sight:
        """The cards between two listings: only what both of them show is surely in the cards' figures."""
        before = {full_name(entry.name) for entry in await self._host.loaded()}
        cards = await self._machine.look()
        entries = await self._host.loaded()
        residents = self._machine.residents(self._host.url, entries)
        return Sight(residents, self._machine.spaces(cards, self._host.url, residents, before))

    def decide(self, sight: Sight) -> Decision:
        wanted, facts = self._wanted, self._wanted.facts
        if facts is None or not sight.spaces:
            return self._blindly(sight)
        beyond = self._surplus.get((self._name, wanted.digest), 0)
        options = []
        for context_tokens in wanted.contexts:
            footprint = predict(facts, context_tokens, self._settings.serving)
            options.append(Option(context_tokens, footprint.total_bytes + beyond, footprint.per_card_bytes))
        return decide(sight.spaces, sight.residents, self._wish(tuple(options)))

    def _blindly(self, sight: Sight) -> Decision:
        """Nothing is predicted: the server makes room by itself, or says that there is none."""
        options = tuple(Option(context_tokens, 0) for context_tokens in self._wanted.contexts)
        own = next((each for each in sight.residents if each.name == self._name), None)
        kept = keeps(own, self._wish(options)) if own is not None else None
        return kept if isinstance(kept, UseAsIs) else Load(options[0].context_tokens, 0)

    def _wish(self, options: tuple[Option, ...]) -> Wish:
        return Wish(self._name, options, self._wanted.enough_tokens, self._wanted.contexts[-1])

    async def _load(self, load: Load) -> OutOfMemory | RunnerDied | None:
        """What a server says that has, or may have, not enough memory for it. A load whose asker goes away is
        seen to its end."""
        using = self._machine.of(self._key)
        self._machine.begin(self._key, load.needed_bytes)
        using.loading = True
        started = self._clock()
        loading = asyncio.ensure_future(self._host.load(self._wanted.name, load.context_tokens))
        try:
            await asyncio.shield(loading)
            using.loading = False
            await self._learn(load)
        except asyncio.CancelledError:
            loading.add_done_callback(self._left_alone)
            raise
        except ProviderError as error:
            self._ended()
            metrics.LOADS.labels(error.code).inc()
            if isinstance(error, OutOfMemory | RunnerDied):
                return error
            raise
        except BaseException:
            self._ended()
            raise
        metrics.LOAD_SECONDS.observe(self._clock() - started)
        return None

    def _left_alone(self, loading: "asyncio.Future[None]") -> None:
        if not loading.cancelled() and (error := loading.exception()) is not None:
            _log.warning("loading %s failed when nobody waited for it: %s", self._name, error)
        self._ended()

    def _ended(self) -> None:
        self._machine.of(self._key).loading = False
        self._machine.end(self._key, self._clock())

    async def _learn(self, load: Load) -> None:
        """What the server says it took; more than predicted is remembered for the next time."""
        entries = {full_name(entry.name): entry for entry in await self._host.loaded()}
        entry = entries.get(self._name)
        took = entry.vram_bytes if entry is not None else None
        if entry is None or took is None or not load.needed_bytes:
            metrics.LOADS.labels("loaded").inc()
            return
        whole = entry.size_bytes is None or took >= entry.size_bytes
        metrics.LOADS.labels("whole" if whole else "partly").inc()
        if not whole:
            _log.warning("%s at %s is only partly on the card, and slow", self._name, self._host.url)
        key = (self._name, self._wanted.digest)
        if took > load.needed_bytes:
            self._surplus[key] = self._surplus.get(key, 0) + took - load.needed_bytes

    async def _after(self, failed: OutOfMemory | RunnerDied, load: Load) -> None:
        """Somebody else has taken memory, or the prediction was too low: the least recently used idle model
        goes; if there is none, or memory was not the reason for certain, the context becomes smaller.

        Raises what went wrong when it cannot.
        """
        if isinstance(failed, OutOfMemory):
            sight = await self.look()
            idle = [each for each in sight.residents if each.vram_bytes and not each.in_use]
            if idle:
                await self._evict(min(idle, key=lambda each: each.last_used), "room")
                return
        smaller = tuple(each for each in self._wanted.contexts if each < load.context_tokens)
        if not smaller:
            raise type(failed)(self._wanted.model, failed.reason) from failed
        enough = min(self._wanted.enough_tokens, smaller[0])
        self._wanted = replace(self._wanted, contexts=smaller, enough_tokens=enough)

    async def _evict(self, resident: Resident, reason: str) -> None:
        self._evictions += 1
        if self._evictions > _MOST_EVICTIONS:
            raise CardBusy(self._wanted.model, f"others load {resident.name} again as fast as it leaves")
        await evict(self._machine, self._host, resident, self._settings, reason)

    async def _wait(self, for_what: str, deadline: float) -> None:
        """Until an answer of ours ends, or to look whether others have gone."""
        remaining_s = deadline - self._clock()
        if remaining_s <= 0:
            raise CardBusy(self._wanted.model, for_what)
        with contextlib.suppress(TimeoutError):
            await self._machine.change(min(remaining_s, _LOOK_AGAIN_S))

    def _resident(self, sight: Sight, name: str) -> Resident:
        return next(resident for resident in sight.residents if resident.name == name)

    def _refuse_if_leased(self) -> None:
        lease = self._machine.lease
        if lease is not None and (closed := lease.closed_by(self._clock())):
            raise CardLeased(self._wanted.model, *closed)


async def evict(
    machine: Machine, host: ModelHost, resident: Resident, settings: GpuSettings, reason: str
) -> None:
    """Send an idle model away and wait until it is gone, from the server and from the card.

    Raises CardBusy when the server keeps it: another client of the server uses it.
    """
    using = machine.of(Key(host.url, resident.name))
    using.departures += 1
    using.leaving = True
    try:
        before = sum(card.used_bytes for card in await machine.look())
        await host.unload(resident.name)
        async with asyncio.timeout(settings.unload_wait_s):
            while await _is_listed(host, resident):  # noqa: ASYNC110 (nobody would tell)
                await asyncio.sleep(settings.poll_s)
        await _freed(machine, before - int(resident.vram_bytes * _FREED_SHARE), settings)
    except TimeoutError:
        raise CardBusy(resident.name, f"it does not leave {host.url}, where others may use it") from None
    finally:
        using.leaving = False
    metrics.EVICTIONS.labels(reason).inc()
    _log.info("unloaded %s at %s (%s)", resident.name, host.url, reason)


async def _is_listed(host: ModelHost, resident: Resident) -> bool:
    return resident.name in {full_name(entry.name) for entry in await host.loaded()}


async def _freed(machine: Machine, enough_bytes: int, settings: GpuSettings) -> None:
    """Until no more than ``enough_bytes`` of the cards are used. That may never be, if others take what becomes free:
    so no longer than until nothing has changed for a while."""
    used, since = -1, 0.0
    loop = asyncio.get_running_loop()
    deadline = loop.time() + settings.unload_wait_s
    while (now := loop.time()) < deadline:
        cards = await machine.look()
        seen = sum(card.used_bytes for card in cards)
        if not cards or seen <= enough_bytes or (seen == used and now - since >= settings.steady_s):
            return
        if seen != used:
            used, since = seen, now
        await asyncio.sleep(settings.poll_s)
