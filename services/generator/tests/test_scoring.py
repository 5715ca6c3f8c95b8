from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hone_contracts.artifacts import ValidatorResult
from hone_generator.validators.base import result
from hone_generator.validators.scoring import RULES, combine

EIGHT = {"syntax", "structure", "references", "coverage", "consistency", "grounding", "purity", "style"}


def verdict(name: str, score: int, passed: bool = True, *messages: str) -> ValidatorResult:
    return result(name, score, messages, passed=passed)


def test_the_table_has_all_eight_each_with_its_reason() -> None:
    assert set(RULES) == EIGHT
    assert sum(rule.weight for rule in RULES.values()) == pytest.approx(1)
    assert all(rule.reason for rule in RULES.values())
    assert {name for name, rule in RULES.items() if rule.gate} == {"syntax", "references", "purity"}


def test_coverage_and_references_weigh_most() -> None:
    heaviest = sorted(RULES, key=lambda name: -RULES[name].weight)[:2]
    assert heaviest == ["coverage", "references"]


def test_the_score_weighs_the_validators_and_says_how() -> None:
    combined = combine([verdict("syntax", 100), verdict("references", 50), verdict("coverage", 100)])
    assert combined.score == 83
    assert combined.reasons == ("references 50 of 100, weight 33%", "coverage 100 of 100, weight 67%")
    assert combined.accepted(83)
    assert not combined.accepted(84)


@pytest.mark.parametrize(("gate", "most"), [("syntax", 20), ("references", 35), ("purity", 10)])
def test_a_failed_gate_keeps_the_score_low_and_is_never_accepted(gate: str, most: int) -> None:
    others = [verdict(name, 100) for name in EIGHT - {gate}]
    combined = combine([*others, verdict(gate, 100, False, "line 3: oops")])
    assert combined.score == most
    assert combined.reasons[0] == f"{gate} failed, so the score is at most {most}: line 3: oops"
    assert not combined.accepted(0)


def test_of_two_answers_that_fail_the_same_gate_the_better_one_is_told() -> None:
    scores = [
        combine([verdict("syntax", 0, False), verdict("coverage", covered)]).score for covered in (90, 40)
    ]
    assert scores == [18, 7]


@pytest.mark.parametrize(("covered", "score"), [(0, 30), (10, 38), (30, 58), (49, 79), (50, 80), (100, 100)])
def test_what_answers_little_of_the_requirements_is_not_accepted_for_being_well_made(
    covered: int, score: int
) -> None:
    others = [verdict(name, 100) for name in EIGHT - {"coverage"}]
    combined = combine([*others, verdict("coverage", covered, covered >= 50)])
    assert combined.score == score
    assert ("coverage is below 50" in " ".join(combined.reasons)) == (covered < 50)


def test_without_requirements_the_others_decide() -> None:
    assert combine([verdict("syntax", 100), verdict("structure", 91)]).score == 91


def test_a_validator_that_does_not_pass_is_named_among_the_reasons() -> None:
    combined = combine([verdict("structure", 80, False, "an orphan"), verdict("coverage", 100)])
    assert combined.score == 95
    assert combined.reasons[-1] == "structure did not pass: an orphan"


def test_nothing_that_ran_is_no_score_and_gates_alone_are_a_whole_one() -> None:
    assert combine([]).score == 0
    assert combine([verdict("syntax", 100)]).score == 100


results = st.builds(
    lambda name, score, passed: result(name, score, ["why"], passed=passed),
    st.sampled_from([*sorted(EIGHT), "unheard of"]),
    st.integers(0, 100),
    st.booleans(),
)


@settings(deadline=None)
@given(st.lists(results, max_size=10))
def test_no_answer_that_fails_a_gate_reaches_one_that_could_be_accepted(ran: list[ValidatorResult]) -> None:
    combined = combine(ran)
    assert 0 <= combined.score <= 100
    failed = [each for each in ran if each.name in ("syntax", "references", "purity") and not each.passed]
    assert combined.gates_passed == (not failed)
    if failed:
        assert combined.score <= 35


def test_the_documented_table_is_the_one_that_counts() -> None:
    document = (Path(__file__).parents[3] / "docs" / "validators.md").read_text()
    for name, rule in RULES.items():
        cap = "–" if rule.cap is None else rule.cap
        assert f"| `{name}` | {rule.weight * 100:.0f} % | {cap} | {rule.reason} |" in document
