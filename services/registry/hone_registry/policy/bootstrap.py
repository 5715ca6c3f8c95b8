"""How sure a mean or a ratio is: a bootstrap over clusters, deterministic by its seed.

Near-duplicates answer alike, so they are drawn together or not at all (the cluster bootstrap). With few clusters the
percentile interval is too narrow; it is widened as t is wider than z: the expanded percentile interval of
T. Hesterberg, "What Teachers Should Know About the Bootstrap", The American Statistician 69 (2015), section 5.3.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from random import Random

from hone_registry.policy.students_t import NORMAL, t_quantile

Sums = tuple[float, float]
"""Of a cluster: the sum above, and the sum (or number) below the line."""


@dataclass(frozen=True)
class Interval:
    """An estimate and where it may as well lie."""

    value: float
    low: float
    high: float

    @property
    def as_figures(self) -> dict[str, float]:
        return {"value": round(self.value, 4), "low": round(self.low, 4), "high": round(self.high, 4)}


def intervals(
    measures: Mapping[str, Sequence[Sums]], confidence: float, rounds: int, seed: str
) -> dict[str, Interval]:
    """Of each measure, the sum of what is above the line by the sum of what is below it.

    All measures list the same clusters in the same order; one without anything below the line is left out. The same
    draws serve all of them. Fewer than two clusters tell nothing: the interval is everything.
    """
    known = {name: sums for name, sums in measures.items() if sum(below for _, below in sums) > 0}
    if not known:
        return {}
    clusters = len(next(iter(known.values())))
    whole = {name: _ratio(sums) for name, sums in known.items()}
    if clusters < 2:
        return {name: Interval(value, -math.inf, math.inf) for name, value in whole.items()}
    drawn = _drawn(known, clusters, rounds, seed)
    tail = _expanded_tail(confidence, clusters)
    return {
        name: Interval(whole[name], _at(sorted(found), tail), _at(sorted(found), 1 - tail))
        for name, found in drawn.items()
    }


def _drawn(
    known: Mapping[str, Sequence[Sums]], clusters: int, rounds: int, seed: str
) -> dict[str, list[float]]:
    random = Random(seed)  # noqa: S311 (a statistic, no secret)
    everyone = range(clusters)
    samples = [random.choices(everyone, k=clusters) for _ in range(rounds)]
    found = {}
    for name, sums in known.items():
        # Without a loop of our own over the clusters: it took three times as long.
        above, below = ([each[side] for each in sums].__getitem__ for side in (0, 1))
        drawn = ((sum(map(above, each)), sum(map(below, each))) for each in samples)
        found[name] = [up / down for up, down in drawn if down > 0] or [_ratio(sums)]
    return found


def _ratio(sums: Sequence[Sums]) -> float:
    return sum(up for up, _ in sums) / sum(down for _, down in sums)


def _at(ordered: Sequence[float], share: float) -> float:
    place = min(len(ordered) - 1, max(0, share * (len(ordered) - 1)))
    under = math.floor(place)
    over = min(under + 1, len(ordered) - 1)
    return ordered[under] + (ordered[over] - ordered[under]) * (place - under)


def _expanded_tail(confidence: float, clusters: int) -> float:
    """What is cut off at each end."""
    t = t_quantile((1 + confidence) / 2, clusters - 1)
    return NORMAL.cdf(-math.sqrt(clusters / (clusters - 1)) * t)
