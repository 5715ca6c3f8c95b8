"""What several people's verdicts on one artifact make of it."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hone_trainer.pool.fold import Rules, Said, fold, key_of

RULES = Rules(good_score=85, correction_score=50, disagreement=0.5)
ANSWER = "erDiagram\n  A\n"
NOON = datetime(2026, 11, 25, 12, 0, tzinfo=UTC)


def said(user: str, opinion: float | None = None, correction: str | None = None, **more: Any) -> Said:
    told: dict[str, Any] = {
        "user": user, "feedback_id": f"fb_{user}", "opinion": opinion, "reward": 0.5, "correction": correction,
        "correction_score": 90 if correction else None, "said_at": NOON,
    }  # fmt: skip
    return Said(**told | more)


def folded(*voices: Said, score: int = 90) -> Any:
    return fold(voices, ANSWER, score, RULES)


def test_a_praise_of_a_good_answer_makes_it_an_example_as_it_is() -> None:
    done = folded(said("anna", 1.0))
    assert (done.state, done.content, done.corrected, done.contributor) == ("new", ANSWER, False, "anna")


def test_a_praise_of_what_the_validators_score_low_waits() -> None:
    assert folded(said("anna", 1.0), score=84).state == "weak"


@pytest.mark.parametrize("voice", [said("anna", -1.0), said("anna", None)])
def test_nobody_vouches_for_what_was_not_praised(voice: Said) -> None:
    assert folded(voice).state == "unpraised"


def test_half_the_people_against_it_take_it_out() -> None:
    assert folded(said("anna", 1.0), said("bob", -1.0)).state == "disputed"
    assert folded(said("anna", 1.0), said("eve", 0.5), said("bob", -1.0)).state == "new"


def test_a_correction_is_the_example_whatever_the_answer_scored() -> None:
    done = folded(said("anna", 0.4, "better"), said("bob", -1.0), score=10)
    assert (done.state, done.content, done.corrected, done.score) == ("new", "better", True, 90)


def test_of_two_corrections_the_one_of_more_people_wins_then_the_newest() -> None:
    later = NOON + timedelta(seconds=1)
    assert folded(said("a", 0, "one"), said("b", 0, "two", said_at=later)).content == "two"
    agreed = folded(said("a", 0, "one"), said("c", 0, " one\n"), said("b", 0, "two", said_at=later))
    assert (agreed.content.strip(), agreed.people, agreed.contributor) == ("one", 2, "")


def test_a_correction_that_changes_nothing_is_a_praise_and_a_slip_is_none() -> None:
    assert folded(said("anna", 1.0, f"{ANSWER}\n")).state == "new"
    assert folded(said("anna", 0.9, "slip", correction_score=49)).state == "unpraised"
    assert folded(said("anna", 1.0), said("bob", 0.9, "slip", correction_score=49)).state == "disputed"


def test_what_two_people_say_is_nobodys_own() -> None:
    assert folded(said("anna", 1.0), said("bob", 1.0)).contributor == ""


def test_people_behind_one_key_agree_and_are_one_giver_all_the_same() -> None:
    done = folded(said("ci/ada", 1.0), said("ci/ben", 1.0))
    assert (done.contributor, done.people) == ("ci", 2)
    assert folded(said("ci/ada", 1.0), said("eve", 1.0)).contributor == ""


voices = st.builds(
    said,
    st.sampled_from("abcdef"),
    st.sampled_from([None, -1.0, 0.0, 0.5, 1.0]),
    st.sampled_from([None, None, "one", "two", ANSWER]),
    correction_score=st.integers(0, 100),
    said_at=st.integers(0, 5).map(lambda s: NOON + timedelta(seconds=s)),
)


@given(
    st.lists(voices, min_size=1, max_size=6, unique_by=lambda each: each.user),
    st.integers(0, 100),
    st.randoms(),
)
def test_the_order_in_which_people_spoke_changes_nothing(them: list[Said], score: int, random: Any) -> None:
    other = list(them)
    random.shuffle(other)
    one, two = fold(them, ANSWER, score, RULES), fold(other, ANSWER, score, RULES)
    assert (one.state, one.content.strip(), one.contributor) == (
        two.state,
        two.content.strip(),
        two.contributor,
    )
    assert 0 < one.agreement < 1
    if one.state == "new":
        assert one.corrected or score >= RULES.good_score


def test_keys_tell_requirements_and_content_apart() -> None:
    assert key_of("ab", "c") != key_of("a", "bc") and key_of("a", "b\n") == key_of("a", "b")
