"""What is being worked on: nobody else may work on the same, and nothing of it may be removed meanwhile."""

import asyncio
from collections import Counter, defaultdict
from collections.abc import AsyncIterator, Hashable, Iterator
from contextlib import asynccontextmanager, contextmanager


class Holding:
    """By key. One hub's own: where several share a disk, locks on files and the names at providers decide."""

    def __init__(self) -> None:
        self._locks: defaultdict[Hashable, asyncio.Lock] = defaultdict(asyncio.Lock)
        self._users: Counter[Hashable] = Counter()

    @asynccontextmanager
    async def alone(self, key: Hashable) -> AsyncIterator[None]:
        """Wait for whoever holds it."""
        with self.used(key):
            async with self._locks[key]:
                yield
        if not self._users[key]:
            self._locks.pop(key, None)

    @contextmanager
    def used(self, *keys: Hashable) -> Iterator[None]:
        """Beside others."""
        self._users.update(keys)
        try:
            yield
        finally:
            self._users.subtract(keys)
            self._users += Counter()  # without those that nobody uses

    def is_used(self, key: Hashable) -> bool:
        return self._users[key] > 0
