"""How fast it goes, and how long it will take, for people."""

import time
from collections import deque
from collections.abc import Callable

_WINDOW_S = 10.0


class Rate:
    """Bytes over the last seconds."""

    def __init__(self, now: Callable[[], float] = time.monotonic) -> None:
        self._now = now
        self._seen: deque[tuple[float, int]] = deque()

    def at(self, done: int) -> float:
        """Bytes a second, now that ``done`` are there; 0 while nothing is known."""
        now = self._now()
        self._seen.append((now, done))
        while len(self._seen) > 2 and self._seen[0][0] < now - _WINDOW_S:
            self._seen.popleft()
        (began, first), (last, latest) = self._seen[0], self._seen[-1]
        return (latest - first) / (last - began) if last > began else 0.0


def in_words(bytes_per_s: float, left_bytes: int) -> str:
    """``37.0 MB/s, 1:35 left``; empty while nothing is known."""
    if bytes_per_s <= 0:
        return ""
    return f"{_size(bytes_per_s)}/s, {_time(left_bytes / bytes_per_s)} left"


def _size(size_bytes: float) -> str:
    for unit, factor in (("GB", 1e9), ("MB", 1e6)):
        if size_bytes >= factor:
            return f"{size_bytes / factor:.1f} {unit}"
    return f"{size_bytes / 1e3:.0f} kB"


def _time(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"
