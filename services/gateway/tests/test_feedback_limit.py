"""A bucket a key: what came in a minute is what may come in a minute."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hone_gateway.errors import TooMuchFeedback
from hone_gateway.feedback.limits import FeedbackLimit
from hone_gateway.keys import Principal

ADA, BOB = Principal("default", "ada"), Principal("default", "bob")


class Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


@given(per_minute=st.integers(1, 700), pauses=st.lists(st.floats(0, 90), max_size=200))
def test_never_more_than_a_bucket_and_what_flowed_in(per_minute: int, pauses: list[float]) -> None:
    clock = Clock()
    limit, taken = FeedbackLimit(per_minute, clock), 0
    for pause_s in pauses:
        clock.now += pause_s
        try:
            limit.take(ADA)
            taken += 1
        except TooMuchFeedback as refused:
            wait_s = int(refused.headers["Retry-After"])
            assert 1 <= wait_s <= 60
            clock.now += wait_s
            limit.take(ADA)  # as promised
            taken += 1
        assert taken <= per_minute + (clock.now - 1000.0) * per_minute / 60 + 1e-6


def test_each_key_has_its_own() -> None:
    limit = FeedbackLimit(1, Clock())
    limit.take(ADA)
    limit.take(BOB)
    limit.take(Principal("others", "ada"))
    with pytest.raises(TooMuchFeedback):
        limit.take(ADA)


def test_buckets_that_are_full_again_are_forgotten() -> None:
    clock = Clock()
    limit = FeedbackLimit(1, clock)
    for number in range(10_000):
        limit.take(Principal("default", f"k{number}"))
    clock.now += 61
    limit.take(ADA)
    assert len(limit._buckets) == 1
    with pytest.raises(TooMuchFeedback):
        limit.take(ADA)
