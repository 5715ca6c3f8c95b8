"""The policy of promotion as a function of figures: what it says, and how often it is wrong."""

import math
import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from loops import pairs

from hone_chassis.loop_policy import LoopPolicy
from hone_contracts.evaluation import AnswerFigures, PairFigures
from hone_registry.policy.bootstrap import intervals
from hone_registry.policy.quality import qualities
from hone_registry.policy.verdict import decide

POLICY = LoopPolicy()
QUICK = LoopPolicy(bootstrap_rounds=200)


def figures(score: int | None = 80, f1: float | None = 0.8, **fields: object) -> AnswerFigures:
    error = "no answer" if score is None else None
    told = {"latency_ms": 100.0, "tokens": 100, "error": error} | fields
    return AnswerFigures.model_validate({"score": score, "overall_f1": f1, "relations_f1": f1, **told})


def pair(item: int, champion: AnswerFigures, challenger: AnswerFigures, **fields: object) -> PairFigures:
    told = {"item": f"i{item:03}", "group": f"g{item}", "corrected": True} | fields
    return PairFigures.model_validate({"champion": champion, "challenger": challenger, **told})


def same(count: int, champion: AnswerFigures, challenger: AnswerFigures) -> list[PairFigures]:
    return [pair(each, champion, challenger) for each in range(count)]


def test_better_beyond_doubt_is_told_with_its_figures() -> None:
    decision = decide(pairs(0.2), POLICY, "seed")
    assert decision.finding == "better"
    assert decision.figures["quality"]["low"] > 0.15
    assert any(
        each.startswith("quality +0.2") and "over 12 held-out prompts" in each for each in decision.reasons
    )
    assert any(each.startswith("relations F1 0.62 → 0.82") for each in decision.reasons)


def test_how_like_the_references_both_are_worded_is_told_and_decides_nothing() -> None:
    worse, better = figures(bleu=20.0, chrf=40.0), figures(bleu=60.0, chrf=71.0)
    decision = decide(same(20, worse, better), POLICY, "seed")
    assert decision.finding == "not_worse"
    assert decision.figures["means"]["bleu"] == {"champion": 20.0, "challenger": 60.0}
    assert {"BLEU 20 → 60", "chrF 40 → 71"} <= set(decision.reasons)
    for odd in (None, math.nan, math.inf, -1.0, 1e9):
        told = decide(same(20, figures(bleu=odd, chrf=odd), better), POLICY, "seed")
        assert not {"bleu", "chrf"} & told.figures["means"].keys()
        assert not any("BLEU" in each for each in told.reasons)


def test_the_same_figures_in_another_order_give_the_same_decision() -> None:
    told = list(pairs(0.03))
    first = decide(told, POLICY, "seed")
    random.Random(1).shuffle(told)
    assert decide(told, POLICY, "seed") == first
    assert decide(told, POLICY, "another seed").figures != first.figures


@pytest.mark.parametrize(
    ("told", "finding", "reason"),
    [
        ([], "not_worse", "0 held-out prompts"),
        (same(3, figures(50), figures(95)), "not_worse", "decide nothing"),
        (same(20, figures(), figures()), "not_worse", "not better"),
        (same(20, figures(None), figures(None)), "not_worse", "not better"),
        (same(20, figures(), figures(None)), "worse", "none of the held-out"),
        (same(3, figures(), figures(None)), "worse", "none of the held-out"),
        (same(20, figures(None), figures()), "better", "better"),
        (same(20, figures(90, 0.9), figures(40, 0.4)), "worse", "worse"),
        (same(20, figures(90, 0.9), figures(89, 0.89)), "not_worse", "not better"),
        (same(20, figures(80, 0.6), figures(70, 0.9)), "not_worse", "score is lower"),
        (same(20, figures(), figures(95, latency_ms=400.0)), "not_worse", "times as slow"),
        (same(20, figures(latency_ms=0.0), figures(95, latency_ms=math.inf)), "better", "better"),
        (same(20, figures(f1=math.nan), figures(95, f1=math.nan)), "better", "better"),
    ],
)  # fmt: skip
def test_figures_at_the_edges_have_a_defined_verdict(
    told: list[PairFigures], finding: str, reason: str
) -> None:
    decision = decide(told, POLICY, "seed")
    assert decision.finding == finding
    assert reason in " ".join(decision.reasons)


def test_near_duplicates_count_as_one() -> None:
    alike = [pair(each, figures(60), figures(80), group=f"g{each % 4}") for each in range(40)]
    assert decide(alike, POLICY, "seed").finding == "not_worse"
    noisy = [pair(each, figures(70), figures(80 if each % 5 else 30), group=f"g{each}") for each in range(40)]
    apart = decide(noisy, POLICY, "seed").figures["score"]
    together = [each.model_copy(update={"group": f"g{place % 5}"}) for place, each in enumerate(noisy)]
    clustered = decide(together, POLICY, "seed").figures["score"]
    assert clustered["high"] - clustered["low"] > 1.5 * (apart["high"] - apart["low"])


def test_agreement_counts_with_corrections_alone_and_no_answer_is_worth_nothing() -> None:
    told = pair(0, figures(80, 0.4), figures(60, 1.0))
    assert qualities(told, 0.5) == pytest.approx((0.6, 0.8))
    assert qualities(told.model_copy(update={"corrected": False}), 0.5) == (0.8, 0.6)
    assert qualities(pair(0, figures(80, 0.4), figures(None)), 0.5) == pytest.approx((0.6, 0.0))
    assert qualities(pair(0, figures(80, 0.4), figures(60, None)), 0.5) == (0.8, 0.6)


answers = st.builds(
    figures,
    score=st.integers(0, 100),
    f1=st.floats(0, 1),
    latency_ms=st.floats(1, 1e6),
    tokens=st.integers(1, 10_000),
)
better = st.tuples(answers, st.integers(0, 40), st.floats(0, 0.5))


@given(st.lists(better, min_size=1, max_size=30), st.booleans())
@settings(max_examples=60, deadline=None)
def test_one_that_is_nowhere_worse_is_never_rejected(
    told: list[tuple[AnswerFigures, int, float]], corrected: bool
) -> None:
    def raised(by: AnswerFigures, score: int, f1: float) -> AnswerFigures:
        share = min(1.0, (by.overall_f1 or 0) + f1)
        return by.model_copy(
            update={"score": min(100, (by.score or 0) + score), "overall_f1": share, "relations_f1": share}
        )

    found = [
        pair(place, one, raised(one, score, f1), corrected=corrected)
        for place, (one, score, f1) in enumerate(told)
    ]
    assert decide(found, QUICK, "seed").finding != "worse"


anything = st.builds(
    AnswerFigures,
    score=st.none() | st.integers(-10, 300),
    overall_f1=st.none() | st.floats(),
    relations_f1=st.none() | st.floats(),
    latency_ms=st.floats(),
    tokens=st.integers(-5, 10**12),
    error=st.none() | st.just("gone"),
)


@given(st.lists(st.tuples(anything, anything, st.sampled_from("abcdefgh"), st.booleans()), max_size=20))
@settings(max_examples=100, deadline=None)
def test_any_figures_have_a_verdict(told: list[tuple[AnswerFigures, AnswerFigures, str, bool]]) -> None:
    found = [
        pair(place, one, other, group=group, corrected=corrected)
        for place, (one, other, group, corrected) in enumerate(told)
    ]
    decision = decide(found, QUICK, "seed")
    assert decision.reasons
    numbers = [
        value for each in decision.figures.values() if isinstance(each, dict) for value in each.values()
    ]
    assert all(math.isfinite(value) for value in numbers if isinstance(value, float))


def drawn(rng: random.Random, count: int, gain: float) -> list[PairFigures]:
    """Scores as a small model has them: mostly good, some bad, and the two answers to one prompt alike."""
    found = []
    for item in range(count):
        easy = rng.betavariate(6, 2)

        def answer(more: float, easy: float = easy) -> AnswerFigures:
            quality = min(1.0, max(0.0, easy + more + rng.gauss(0, 0.08)))
            return figures(round(100 * quality), quality)

        found.append(pair(item, answer(0.0), answer(gain)))
    return found


@pytest.mark.slow
@pytest.mark.parametrize("count", [8, 12, 40])
def test_where_there_is_no_difference_hardly_any_is_promoted_or_rejected(count: int) -> None:
    rng, policy = random.Random(count), LoopPolicy(bootstrap_rounds=400)
    found = [decide(drawn(rng, count, 0.0), policy, str(each)).finding for each in range(600)]
    assert found.count("better") / 600 <= 1 - POLICY.confidence
    assert found.count("worse") / 600 <= 1 - POLICY.confidence


@pytest.mark.slow
@pytest.mark.parametrize("clusters", [8, 12, 40])
def test_the_interval_covers_the_truth_as_often_as_it_says(clusters: int) -> None:
    rng, covered, rounds = random.Random(7), 0, 600
    for each in range(rounds):
        sums = []
        for _ in range(clusters):
            size, shift = rng.choice((1, 1, 2, 4)), rng.gauss(0, 0.1)
            sums.append((sum(0.1 + shift + rng.gauss(0, 0.1) for _ in range(size)), float(size)))
        interval = intervals({"x": sums}, 0.95, 400, str(each))["x"]
        covered += interval.low <= 0.1 <= interval.high
    assert covered / rounds >= 0.92
