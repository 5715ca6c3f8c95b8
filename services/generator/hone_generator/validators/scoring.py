"""One score of several validators, and why it is what it is."""

from collections.abc import Iterable
from dataclasses import dataclass

from hone_contracts.artifacts import ValidatorResult


@dataclass(frozen=True, slots=True)
class Rule:
    """How a validator counts: its weight among those that ran, and whether failing it decides alone."""

    weight: float
    gate: bool
    reason: str


RULES: dict[str, Rule] = {
    "syntax": Rule(0.0, True, "what does not parse cannot be used, and what parses is not better for it"),
    "structure": Rule(0.4, False, "a person mends a missing key quickly, a wrong reference misleads"),
    "coverage": Rule(0.6, False, "models get syntax and entities right; what they leave out is what counts"),
}
# A validator that has no line above still counts, but cannot outweigh those that were thought about.
_OTHER = Rule(0.2, False, "not weighed yet")


@dataclass(frozen=True, slots=True)
class Score:
    """`score` is 0..100, to be held against the route's threshold; `reasons` are one line each."""

    score: int
    reasons: tuple[str, ...]


def combine(results: Iterable[ValidatorResult]) -> Score:
    """The weighted mean of the results, 0 if a gate failed. Weights count among the validators that ran:
    without requirements there is no coverage, and structure decides. With gates alone, passing is 100."""
    ran = list(results)
    failed = [each for each in ran if _rule(each).gate and not each.passed]
    if failed:
        return Score(0, tuple(f"{each.name} failed: {_first(each)}" for each in failed))
    weighed = [(each, _rule(each).weight) for each in ran if not _rule(each).gate]
    total = sum(weight for _, weight in weighed)
    score = (
        round(sum(each.score * weight for each, weight in weighed) / total) if total else 100 if ran else 0
    )
    reasons = [f"{each.name} {each.score} of 100, weight {weight / total:.0%}" for each, weight in weighed]
    not_passed = [f"{each.name} did not pass: {_first(each)}" for each, _ in weighed if not each.passed]
    return Score(score, (*reasons, *not_passed))


def _rule(each: ValidatorResult) -> Rule:
    return RULES.get(each.name, _OTHER)


def _first(each: ValidatorResult) -> str:
    return each.messages[0] if each.messages else "no reason given"
