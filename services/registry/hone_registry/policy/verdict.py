"""Better beyond doubt, not worse, or worse: what an evaluation says about a challenger, and why."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from hone_chassis.loop_policy import LoopPolicy
from hone_contracts.evaluation import PairFigures
from hone_registry.policy.bootstrap import Interval, Sums, intervals
from hone_registry.policy.quality import answered, is_share, qualities

Finding = Literal["better", "not_worse", "worse"]
"""``not_worse`` is also said where the figures decide nothing: then nothing changes."""

LIKENESSES: dict[Literal["bleu", "chrf"], str] = {"bleu": "BLEU", "chrf": "chrF"}


@dataclass(frozen=True)
class Decision:
    finding: Finding
    reasons: tuple[str, ...]
    figures: dict[str, Any]


def decide(pairs: Sequence[PairFigures], policy: LoopPolicy, seed: str) -> Decision:
    """The same pairs in any order, the same policy and seed give the same decision."""
    clusters = _clusters(pairs)
    found = intervals(_measures(clusters, policy), policy.confidence, policy.bootstrap_rounds, seed)
    failed = {
        "champion": sum(not answered(each.champion) for each in pairs),
        "challenger": sum(not answered(each.challenger) for each in pairs),
    }
    figures: dict[str, Any] = {
        "pairs": len(pairs),
        "groups": len(clusters),
        "confidence": policy.confidence,
        "unanswered": failed,
        **{name: interval.as_figures for name, interval in found.items() if _bounded(interval)},
        "means": _means(pairs, policy),
    }
    finding, why = _finding(len(pairs), len(clusters), failed, found, policy)
    return Decision(finding, (*why, *_told(len(pairs), found, failed, figures["means"])), figures)


def _finding(
    pairs: int, clusters: int, failed: dict[str, int], found: dict[str, Interval], policy: LoopPolicy
) -> tuple[Finding, tuple[str, ...]]:
    if pairs and failed["challenger"] == pairs and failed["champion"] < pairs:
        return "worse", ("it answered none of the held-out prompts",)
    if pairs < policy.held_out_min or clusters < policy.held_out_groups_min:
        return "not_worse", (
            f"{pairs} held-out prompts in {clusters} groups decide nothing; it takes {policy.held_out_min} in "
            f"{policy.held_out_groups_min}",
        )
    quality = found["quality"]
    if quality.high < 0 and quality.value < -policy.worse_margin:
        return "worse", ("worse than the champion beyond doubt",)
    if quality.low <= policy.min_gain:
        return "not_worse", ("not better than the champion beyond doubt",)
    if but := _price(found, policy):
        return "not_worse", (f"better, but {but}",)
    return "better", ("better than the champion beyond doubt",)


def _price(found: dict[str, Interval], policy: LoopPolicy) -> str | None:
    """What the better answers cost too much of."""
    if "latency" in found and found["latency"].value > policy.most_slowdown:
        times = f"{found['latency'].value:.1f} times as slow as the champion"
        return f"{times}; {policy.most_slowdown:g} is allowed"
    if "score" in found and found["score"].value < -100 * policy.worse_margin:
        return "the validators' score is lower than the margin allows"
    return None


def _clusters(pairs: Sequence[PairFigures]) -> list[list[PairFigures]]:
    """By group; a pair without one is a group of its own. In an order that does not depend on that of the pairs."""
    groups: dict[tuple[str, str], list[PairFigures]] = {}
    for pair in sorted(pairs, key=lambda each: each.item):
        groups.setdefault((pair.group, "" if pair.group else pair.item), []).append(pair)
    return [groups[key] for key in sorted(groups)]


def _measures(clusters: Sequence[Sequence[PairFigures]], policy: LoopPolicy) -> dict[str, list[Sums]]:
    def quality(pair: PairFigures) -> Sums:
        champion, challenger = qualities(pair, policy.agreement_weight)
        return challenger - champion, 1.0

    measures: dict[str, Callable[[PairFigures], Sums]] = {
        "quality": quality,
        "score": _score,
        "relations_f1": _relations,
        "latency": lambda pair: _ratio_of(pair, pair.challenger.latency_ms, pair.champion.latency_ms),
        "tokens": lambda pair: _ratio_of(pair, pair.challenger.tokens, pair.champion.tokens),
    }
    return {name: [_summed(map(of, each)) for each in clusters] for name, of in measures.items()}


def _score(pair: PairFigures) -> Sums:
    if pair.champion.score is None or pair.challenger.score is None:
        return 0.0, 0.0
    return float(pair.challenger.score - pair.champion.score), 1.0


def _relations(pair: PairFigures) -> Sums:
    theirs, ours = pair.champion.relations_f1, pair.challenger.relations_f1
    if not pair.corrected or theirs is None or ours is None or not (is_share(theirs) and is_share(ours)):
        return 0.0, 0.0
    return ours - theirs, 1.0


def _ratio_of(pair: PairFigures, ours: float, theirs: float) -> Sums:
    """Of what both needed where both answered."""
    if not (answered(pair.champion) and answered(pair.challenger)):
        return 0.0, 0.0
    if not (math.isfinite(ours) and math.isfinite(theirs)) or ours < 0 or theirs <= 0:
        return 0.0, 0.0
    return float(ours), float(theirs)


def _summed(sums: Any) -> Sums:
    above = below = 0.0
    for up, down in sums:
        above += up
        below += down
    return above, below


def _means(pairs: Sequence[PairFigures], policy: LoopPolicy) -> dict[str, dict[str, float]]:
    """Of champion and challenger apart, over the pairs that tell both."""
    values: dict[str, list[tuple[float, float]]] = {
        "quality": [qualities(each, policy.agreement_weight) for each in pairs],
        "score": [
            (float(each.champion.score), float(each.challenger.score))
            for each in pairs
            if each.champion.score is not None and each.challenger.score is not None
        ],
        "relations_f1": [
            (each.champion.relations_f1 or 0.0, each.challenger.relations_f1 or 0.0)
            for each in pairs
            if _relations(each)[1]
        ],
        **{name: _likenesses(pairs, name) for name in LIKENESSES},
    }
    return {
        name: {
            "champion": round(sum(one for one, _ in both) / len(both), 4),
            "challenger": round(sum(other for _, other in both) / len(both), 4),
        }
        for name, both in values.items()
        if both
    }


def _likenesses(pairs: Sequence[PairFigures], name: Literal["bleu", "chrf"]) -> list[tuple[float, float]]:
    """How like the references both answers are worded, 0 to 100. It is told and decides nothing: many wordings are as
    good as the reference's."""
    both = [(getattr(each.champion, name), getattr(each.challenger, name)) for each in pairs]
    return [
        (one, other)
        for one, other in both
        if one is not None and other is not None and is_share(one / 100) and is_share(other / 100)
    ]


def _told(
    pairs: int, found: dict[str, Interval], failed: dict[str, int], means: dict[str, dict[str, float]]
) -> tuple[str, ...]:
    """The figures as a person reads them."""
    told = []
    if "quality" in found:
        told.append(f"quality {_difference(found['quality'])} over {pairs} held-out prompts")
    if "relations_f1" in means:
        both = means["relations_f1"]
        told.append(f"relations F1 {both['champion']:.2f} → {both['challenger']:.2f}")
    if "score" in means:
        both = means["score"]
        told.append(f"validators' score {both['champion']:.0f} → {both['challenger']:.0f}")
    told += [
        f"{word} {means[name]['champion']:.0f} → {means[name]['challenger']:.0f}"
        for name, word in LIKENESSES.items()
        if name in means
    ]
    told += [f"{name} {found[name].value:.2f} times" for name in ("latency", "tokens") if name in found]
    if any(failed.values()):
        told.append(f"without an answer {failed['champion']} → {failed['challenger']}")
    return tuple(told)


def _difference(interval: Interval) -> str:
    if not _bounded(interval):
        return f"{interval.value:+.2f}"
    return f"{interval.value:+.2f} [{interval.low:+.2f}, {interval.high:+.2f}]"


def _bounded(interval: Interval) -> bool:
    return math.isfinite(interval.low) and math.isfinite(interval.high)
