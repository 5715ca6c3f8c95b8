"""What feedback is worth."""

from hypothesis import given
from hypothesis import strategies as st

from hone_contracts.reward import Thumb, reward

SCORES = st.integers(0, 100)
SHARES = st.floats(0, 1)
THUMBS = st.sampled_from([None, "up", "down"])


@given(SCORES, THUMBS, st.none() | SCORES, st.none() | SHARES)
def test_a_reward_lies_between_minus_one_and_one(
    validators: int, thumb: Thumb | None, score: int | None, distance: float | None
) -> None:
    assert -1 <= reward(validators, thumb, score, distance) <= 1


@given(SCORES, SCORES, THUMBS)
def test_a_better_answer_is_worth_no_less(one: int, other: int, thumb: Thumb | None) -> None:
    assert reward(max(one, other), thumb) >= reward(min(one, other), thumb)


@given(SCORES, SHARES, SHARES)
def test_the_more_a_correction_changes_the_less_the_answer_was_worth(
    validators: int, one: float, other: float
) -> None:
    near, far = sorted((one, other))
    assert reward(validators, distance=near) >= reward(validators, distance=far)


@given(SCORES)
def test_a_person_outweighs_the_validators(validators: int) -> None:
    assert reward(validators, "down") < 0 < reward(validators, "up")


@given(SCORES, SHARES)
def test_a_correction_is_believed_rather_than_the_thumb_beside_it(validators: int, distance: float) -> None:
    assert reward(validators, "up", distance=distance) == reward(validators, "down", distance=distance)


def test_feedback_without_a_verdict_is_worth_little() -> None:
    assert abs(reward(100)) <= 0.3 + 1e-9
    assert abs(reward(0)) <= 0.3 + 1e-9
