"""When a crashed process is started again, and when no more."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field


@dataclass(frozen=True)
class RestartPolicy:
    """Exponential delays; `crashes` within `window_s` seconds are one too many."""

    first_delay_s: float = 0.2
    longest_delay_s: float = 15
    crashes: int = 5
    window_s: float = 60


@dataclass
class CrashHistory:
    policy: RestartPolicy
    _crashed_at: deque[float] = field(default_factory=deque)

    def delay_after_crash(self, now_s: float) -> float | None:
        """Record a crash at `now_s` (monotonic); the seconds to wait, or None to give up."""
        self._crashed_at.append(now_s)
        while self._crashed_at[0] < now_s - self.policy.window_s:
            self._crashed_at.popleft()
        recent = len(self._crashed_at)
        if recent >= self.policy.crashes:
            return None
        return min(self.policy.first_delay_s * 2.0 ** (recent - 1), self.policy.longest_delay_s)
