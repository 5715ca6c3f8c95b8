"""Sequential tests by betting: I. Waudby-Smith and A. Ramdas, "Estimating means of bounded random variables by
betting", Journal of the Royal Statistical Society B 86 (2024) 1-27, arXiv 2010.09686.

A sceptic of "the mean of these numbers from 0 to 1 is at least ``floor``" bets a part of a purse on each number
before it is seen. Were the mean that high, no way of betting would be expected to gain: that the purse ever grows to
``1/alpha`` times what it held has a probability of at most ``alpha`` (Ville's inequality), whenever one looks. So the
answer may be acted on at once, and the numbers may go on for ever.
"""

import math
from dataclasses import dataclass, replace

_BOLDNESS = 0.75  # of the most that may be staked, so that no single number ruins the purse
_MEMORY = 1 / 25  # weight of the newest number: what is bad now matters, not the mean since the beginning
_SPREAD_AT_FIRST = 0.02  # a variance: that of answers which are all right and now and then are not


@dataclass(frozen=True)
class Stream:
    """What was seen of one kind of number: their recent mean and variance, from which stakes follow."""

    floor: float
    seen: int = 0
    mean: float = 0.0
    variance: float = _SPREAD_AT_FIRST

    @property
    def stake(self) -> float:
        """How much is bet that the next number lies below the floor: the stake under which the purse grows fastest if
        what was seen goes on (the approximate GRAPA of section 5.3, of a moving mean)."""
        if not self.seen or not 0.0 < self.floor < 1.0:
            return 0.0
        below = self.floor - self.mean
        wanted = below / (self.variance + below * below)
        return min(max(wanted, 0.0), _BOLDNESS / (1.0 - self.floor))

    def after(self, value: float) -> "Stream":
        if not self.seen:
            return replace(self, seen=1, mean=value)
        weight = max(_MEMORY, 1 / (self.seen + 1))
        off = value - self.mean
        return replace(
            self,
            seen=self.seen + 1,
            mean=self.mean + weight * off,
            variance=max(1e-4, (1 - weight) * (self.variance + weight * off * off)),
        )


def log_factor(value: float, floor: float, stake: float) -> float:
    """What a bet makes of the purse."""
    return math.log1p(stake * (floor - value))
