"""Graphics cards whose memory really runs out, as NVML would show them, shared by simulated servers."""

import threading

from hone_generator.memory.cards import Card

GIB = 1 << 30


class Exhausted(Exception):
    """What a runner dies of."""


class SimulatedCards:
    """``peak_share`` is the largest share of any card that was ever used after somebody took memory with ``take``.

    Servers take and give back in threads of their own.
    """

    def __init__(self, *total_gib: float) -> None:
        self._totals = [int(gib * GIB) for gib in total_gib]
        self._taken: dict[object, list[int]] = {}
        self._lock = threading.Lock()
        self.peak_share = 0.0
        self.reads = 0

    def read(self) -> tuple[Card, ...]:
        with self._lock:
            self.reads += 1
            return tuple(
                Card(f"GPU-{number}", "Simulated", total, self._used(number))
                for number, total in enumerate(self._totals)
            )

    def take(self, owner: object, needed_bytes: int, per_card_bytes: int = 0) -> None:
        """As Ollama places models: whole on the card with most free, else even shares of all. Raises Exhausted."""
        with self._lock:
            free = [total - self._used(number) for number, total in enumerate(self._totals)]
            freest = max(range(len(free)), key=free.__getitem__)
            shares = [0] * len(free)
            if needed_bytes <= free[freest]:
                shares[freest] = needed_bytes
            else:
                shares = [-(-needed_bytes // len(free)) + (per_card_bytes if len(free) > 1 else 0)] * len(
                    free
                )
            if any(share > room for share, room in zip(shares, free, strict=True)):
                raise Exhausted
            self._taken[owner] = shares
            used = (self._used(number) / total for number, total in enumerate(self._totals))
            self.peak_share = max(self.peak_share, *used)

    def give_back(self, owner: object) -> None:
        with self._lock:
            self._taken.pop(owner, None)

    def taken_by(self, owner: object) -> int:
        with self._lock:
            return sum(self._taken.get(owner, ()))

    def occupy(self, gib: float, card: int = 0) -> None:
        """Another process's memory, from now on; it does not count as taken by a model."""
        with self._lock:
            shares = [0] * len(self._totals)
            shares[card] = int(gib * GIB)
            self._taken["another process"] = shares

    def _used(self, number: int) -> int:
        return sum(shares[number] for shares in self._taken.values())
