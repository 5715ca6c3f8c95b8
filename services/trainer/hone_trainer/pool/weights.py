"""How much one person may say: the part of a batch that is theirs, and what an example weighs in training.

Pure. A person's *own* examples are those that nobody else vouches for; what several agree on is nobody's own.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

MOST_LOWERED = 1 / 3
"""Of one person's weights, for being too many: a few others' examples are not learned by heart to balance them."""

_PASSES = 200


@dataclass(frozen=True)
class Given:
    """New examples of a type. ``several``: more than one person gave some lately, with or without new ones."""

    shared: int
    own: Mapping[str, int]
    several: bool

    @property
    def alone(self) -> bool:
        return not self.several and sum(1 for n in self.own.values() if n) <= 1

    @property
    def total(self) -> int:
        return self.shared + sum(self.own.values())


def allowance(size: int, share: float, given: Given) -> int:
    """How many of a batch of ``size`` may be one person's own. No less than an even part for everyone who gives: a
    share that no batch could meet would end all learning."""
    if given.alone:
        return size
    givers = max(2, sum(1 for n in given.own.values() if n))
    return max(math.floor(share * size), math.ceil(size / givers))


def fillable(size: int, share: float, given: Given) -> int:
    """How many of the places of a batch of ``size`` the new examples can fill; ``size`` at most."""
    most = allowance(size, share, given)
    return min(size, given.shared + sum(min(n, most) for n in given.own.values()))


def agreement(supporting: int, opposing: int) -> float:
    """The part of those who spoke that is for it, drawn towards a half by one voice each way (Laplace): two who agree
    weigh more than one alone."""
    return (supporting + 1) / (supporting + opposing + 2)


def weigh(contributors: Sequence[str], agreements: Sequence[float], share: float) -> list[float]:
    """Weights with mean 1: by agreement, and lower for people whose own examples were more than ``share`` of the sum,
    but by no more than ``MOST_LOWERED``. ``contributors`` has one name an example, empty where several vouch."""
    totals: dict[str, float] = {}
    for name, weight in zip(contributors, agreements, strict=True):
        totals[name] = totals.get(name, 0.0) + weight
    people = [name for name in totals if name]
    # No less than an even part: smaller bounds could not hold for all of them together.
    bound = max(share, 1 / len(people)) if people else 1.0
    factors = _factors({name: totals[name] for name in people}, totals.get("", 0.0), bound)
    weights = [w * factors.get(name, 1.0) for name, w in zip(contributors, agreements, strict=True)]
    mean = sum(weights) / len(weights) if weights else 1.0
    return [weight / mean for weight in weights]


def _factors(own: Mapping[str, float], shared: float, bound: float) -> dict[str, float]:
    """Lowers whoever is above the bound, until nobody is: lowering one raises the others' parts."""
    factors = dict.fromkeys(own, 1.0)
    for _ in range(_PASSES):
        whole = shared + sum(own[name] * factors[name] for name in own)
        lowerable = (each for each in own if factors[each] > MOST_LOWERED)
        name = max(lowerable, key=lambda each: own[each] * factors[each], default="")
        others = whole - own[name] * factors[name] if name else 0.0
        if not others or bound >= 1 or own[name] * factors[name] <= bound * whole * (1 + 1e-9):
            break
        factors[name] = max(bound * others / ((1 - bound) * own[name]), MOST_LOWERED)
    return factors
