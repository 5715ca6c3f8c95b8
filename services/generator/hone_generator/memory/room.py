"""Making room: before a model is used it is seen to be loaded, with a context for which the card has the memory.

``Room.use`` stands around every use of a server that loads models by itself, which is Ollama. On each machine
one model is loaded or unloaded at a time; models that are loaded already are used without waiting for that.
"""

import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from enum import IntEnum

from hone_generator.memory import metrics
from hone_generator.memory.cards import Cards
from hone_generator.memory.hosts import ModelHost, Wanted, is_loopback
from hone_generator.memory.lease import Lease
from hone_generator.memory.machine import Key, Machine
from hone_generator.memory.plan import Busy, CannotFit, Load, Unload, UseAsIs
from hone_generator.memory.settings import GpuSettings
from hone_generator.memory.steps import Rules, Steps
from hone_generator.providers.errors import ProviderError
from hone_generator.providers.ollama_wire import full_name


class Outlook(IntEnum):
    """How good a place is for a model, the best first."""

    LOADED = 0
    FITS = 1
    FITS_AFTER_UNLOADING = 2
    UNKNOWN = 3
    BUSY = 4
    LEASED = 5
    DOES_NOT_FIT = 6


class Room:
    """``here`` is this machine, ``hosts_here`` the servers on it; each other server is a machine of its own."""

    def __init__(
        self, settings: GpuSettings, cards: Cards, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self.settings = settings
        self.clock = clock
        lease = Lease(settings.lease_policy, settings.lease_idle_s)
        self.lease = lease
        self.here = Machine(cards, None, settings.limit, lease)
        self.hosts_here: dict[str, ModelHost] = {}
        self._machines: dict[str, Machine] = {}
        self._rules = Rules(settings, clock, surplus={})

    def add(self, host: ModelHost) -> None:
        """Before it is used."""
        capacity = self.settings.capacities_bytes.get(host.url)
        if host.url in self.settings.own_hosts or (capacity is None and is_loopback(host.url)):
            self.hosts_here[host.url] = host
            self._machines[host.url] = self.here
        else:
            self._machines[host.url] = Machine(None, capacity, self.settings.limit, None)

    @asynccontextmanager
    async def use(self, host: ModelHost, wanted: Wanted) -> AsyncIterator[int]:
        """The context in tokens that the model is loaded with, from before the body until after it.

        Raises DoesNotFit, OutOfMemory, CardBusy, CardLeased, and what the host raises.
        """
        machine = self._machines[host.url]
        machine.settling += 1
        try:
            context_tokens = await self._settled(machine, self._steps(machine, host, wanted))
        except ProviderError as error:
            metrics.REFUSALS.labels(error.code).inc()
            raise
        finally:
            machine.settling -= 1
        try:
            yield context_tokens
        finally:
            machine.end(Key(host.url, full_name(wanted.name)), self.clock())

    async def outlook(self, host: ModelHost, wanted: Wanted) -> Outlook:
        """What ``use`` would find now. Raises what the host raises."""
        machine = self._machines[host.url]
        if machine.lease is not None and machine.lease.closed_by(self.clock()):
            return Outlook.LEASED
        steps = self._steps(machine, host, wanted)
        sight = await steps.look()
        match steps.decide(sight):
            case UseAsIs():
                return Outlook.LOADED
            case Load():
                return Outlook.FITS if sight.spaces and wanted.facts else Outlook.UNKNOWN
            case Unload():
                return Outlook.FITS_AFTER_UNLOADING
            case Busy():
                return Outlook.BUSY
            case CannotFit():
                return Outlook.DOES_NOT_FIT

    def _steps(self, machine: Machine, host: ModelHost, wanted: Wanted) -> Steps:
        return Steps(machine, host, wanted, self._rules)

    async def _settled(self, machine: Machine, steps: Steps) -> int:
        context_tokens = await steps.at_once()
        if context_tokens is None:
            async with machine.turn:
                context_tokens = await steps.settle()
        return context_tokens
