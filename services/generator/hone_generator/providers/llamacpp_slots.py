"""How many models llama.cpp holds at once on this machine: the one that was used longest ago leaves for another."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from typing import Protocol


class Loadable(Protocol):
    """A model that loads itself when it is used."""

    @property
    def pid(self) -> int | None:
        """None while it is not loaded."""
        ...

    @property
    def last_used(self) -> float: ...

    async def unload(self) -> None: ...


class Slots:
    """At most ``most`` models are loaded; who would be one more waits until another is idle."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._users: Counter[Loadable] = Counter()
        self._leaving: set[Loadable] = set()
        self._turn = asyncio.Lock()
        self._changed = asyncio.Event()

    @asynccontextmanager
    async def held(self, model: Loadable, all_models: Iterable[Loadable]) -> AsyncIterator[None]:
        """Around a use of ``model``. ``all_models`` are those that may be loaded, looked at when there is need."""
        if not self._has_slot(model):
            async with self._turn:
                await self._free_slot(model, all_models)
        self._users[model] += 1
        try:
            yield
        finally:
            self._users[model] -= 1
            if not self._users[model]:
                del self._users[model]
            self._changed.set()
            self._changed = asyncio.Event()

    def _has_slot(self, model: Loadable) -> bool:
        return model not in self._leaving and (model.pid is not None or model in self._users)

    async def _free_slot(self, model: Loadable, all_models: Iterable[Loadable]) -> None:
        while not self._has_slot(model):
            loaded = {each for each in all_models if each.pid is not None} | set(self._users)
            if len(loaded) < self._most:
                return
            idle = [each for each in loaded if each not in self._users]
            if not idle:
                await self._changed.wait()
                continue
            longest = min(idle, key=lambda each: each.last_used)
            self._leaving.add(longest)
            try:
                await longest.unload()
            finally:
                self._leaving.discard(longest)
