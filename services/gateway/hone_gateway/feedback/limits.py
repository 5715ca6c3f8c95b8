"""So much feedback a minute from one key: a token bucket for each, in this process."""

import math
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from hone_gateway.errors import TooMuchFeedback
from hone_gateway.keys import Principal

_MAX_BUCKETS = 10_000


@dataclass
class FeedbackLimit:
    """A full bucket holds one minute's worth: who comes with many at once may, who goes on like that may not."""

    per_minute: int
    now: Callable[[], float] = time.monotonic
    _buckets: dict[Principal, tuple[float, float]] = field(default_factory=dict)

    def take(self, who: Principal) -> None:
        """Raises TooMuchFeedback."""
        now, each_s = self.now(), 60.0 / self.per_minute
        left, since = self._buckets.get(who, (float(self.per_minute), now))
        left = min(float(self.per_minute), left + (now - since) / each_s)
        if left < 1.0:
            self._buckets[who] = (left, now)
            raise TooMuchFeedback(self.per_minute, math.ceil((1.0 - left) * each_s))
        self._buckets[who] = (left - 1.0, now)
        if len(self._buckets) > _MAX_BUCKETS:
            self._forget_full(now - 60.0)

    def _forget_full(self, before: float) -> None:
        """A bucket that was not touched for a minute is full, as one that is not there."""
        self._buckets = {who: bucket for who, bucket in self._buckets.items() if bucket[1] > before}
