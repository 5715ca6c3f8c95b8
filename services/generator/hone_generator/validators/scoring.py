"""One score of several validators, and why it is what it is."""

from collections.abc import Iterable
from dataclasses import dataclass

from hone_contracts.artifacts import ValidatorResult


@dataclass(frozen=True, slots=True)
class Rule:
    """How a validator counts: its weight among those that ran and, for a gate, the most that an answer can reach
    which fails it. Under a gate the score still tells two failing answers apart, so that the better one is mended.
    Below ``needed`` the whole score shrinks with what is missing of it, down to half."""

    weight: float
    reason: str
    cap: int | None = None
    needed: int = 0

    @property
    def gate(self) -> bool:
        return self.cap is not None


RULES: dict[str, Rule] = {
    "syntax": Rule(
        0.0,
        "what does not parse cannot be used at all; what parses is not better for it, so it has no weight",
        20,
    ),
    "references": Rule(
        0.20,
        "relations are what models get wrong; a name that leads nowhere misleads everyone who builds on it",
        35,
    ),
    "coverage": Rule(
        0.40,
        "what the requirements demand, relations included, is what the artifact is for, and is left out unseen",
        # Six of ten points are for being well made: an artifact about something else must not be taken for those.
        needed=50,
    ),
    "structure": Rule(0.15, "a missing key or an orphan is mended quickly, but by hand"),
    "grounding": Rule(0.10, "what is invented has to be found and taken out again"),
    "consistency": Rule(0.05, "another spelling of a known name costs a search, not an error"),
    "purity": Rule(
        0.05,
        "chatter is cut off easily; a secret or a control token must not get into the hands of anybody",
        10,
    ),
    "style": Rule(0.05, "conventions are a matter of taste, and of a formatter"),
}
# A validator that has no line above still counts, but cannot outweigh those that were thought about.
_OTHER = Rule(0.05, "not weighed yet")


@dataclass(frozen=True, slots=True)
class Score:
    """`score` is 0..100; `reasons` are one line each. An answer is acceptable if it passed the gates and reaches the
    route's threshold: under a low threshold the score alone would let a broken one through."""

    score: int
    reasons: tuple[str, ...]
    gates_passed: bool = True

    def accepted(self, threshold: int) -> bool:
        return self.gates_passed and self.score >= threshold


def combine(results: Iterable[ValidatorResult]) -> Score:
    """The weighted mean of the results, scaled below the lowest cap of the gates that failed. Weights count among the
    validators that ran: without requirements there is no coverage, and the others decide. With gates alone, passing
    is 100."""
    ran = list(results)
    weighed = [(each, _rule(each).weight) for each in ran if _rule(each).weight > 0]
    total = sum(weight for _, weight in weighed)
    mean = sum(each.score * weight for each, weight in weighed) / total if total else 100.0 if ran else 0.0
    for each in ran:
        mean *= _share(each)
    failed = [each for each in ran if _rule(each).gate and not each.passed]
    caps = [cap for each in failed if (cap := _rule(each).cap) is not None]
    reasons = [
        f"{each.name} failed, so the score is at most {_rule(each).cap}: {_first(each)}" for each in failed
    ]
    reasons += [f"{each.name} {each.score} of 100, weight {weight / total:.0%}" for each, weight in weighed]
    reasons += [
        f"{each.name} is below {_rule(each).needed}, which leaves {_share(each):.0%} of the score"
        for each in ran
        if _share(each) < 1
    ]
    reasons += [
        f"{each.name} did not pass: {_first(each)}"
        for each, _ in weighed
        if not each.passed and each not in failed
    ]
    score = round(mean * min(caps) / 100) if caps else round(mean)
    return Score(score, tuple(reasons), not failed)


def _rule(each: ValidatorResult) -> Rule:
    return RULES.get(each.name, _OTHER)


def _share(each: ValidatorResult) -> float:
    """What is left of the score: all from ``needed`` on, half at nothing."""
    needed = _rule(each).needed
    return (1 + each.score / needed) / 2 if each.score < needed else 1.0


def _first(each: ValidatorResult) -> str:
    return each.messages[0] if each.messages else "no reason given"
