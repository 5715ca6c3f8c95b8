"""How long a model is waited for, and when it is not worth it."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hone_generator.engine.backoff import PATIENCE_S, wait_s
from hone_generator.providers.errors import (
    GenerationTimeout,
    ModelNotFound,
    ProviderError,
    ProviderUnavailable,
    RateLimited,
    StreamBroken,
)

DOWN = ProviderUnavailable("p", "refused")


def wait(error: ProviderError, failures: int = 1, left_s: float = 600, others: bool = False) -> float | None:
    return wait_s(error, failures, left_s=left_s, others=others, jitter=lambda: 0.5)


def test_each_failure_is_waited_for_longer_up_to_a_limit() -> None:
    waits = [wait(DOWN, failures) or 0.0 for failures in (1, 2, 3, 4, 50)]
    assert waits == sorted(waits) and len(set(waits)) == 5
    assert waits[-1] <= 8


def test_what_the_provider_asks_for_is_kept() -> None:
    asked = wait(RateLimited("p", 5))
    assert asked is not None and 5 <= asked < 6


@pytest.mark.parametrize(
    ("error", "left_s", "others"),
    [
        (ModelNotFound("m"), 600, False),  # it will not be there either
        (GenerationTimeout("m", 5), 600, True),  # it had its time
        (StreamBroken("p", "cut"), 600, True),
        (RateLimited("p", 30), 20, False),  # past the request's deadline
        (RateLimited("p", PATIENCE_S + 1), 600, True),
        (DOWN, 0.01, False),
    ],
)
def test_it_is_not_worth_waiting(error: ProviderError, left_s: float, others: bool) -> None:
    assert wait(error, left_s=left_s, others=others) is None


@pytest.mark.parametrize("error", [GenerationTimeout("m", 5), StreamBroken("p", "cut"), RateLimited("p", 60)])
def test_the_last_model_is_asked_again_if_time_allows(error: ProviderError) -> None:
    assert wait(error) is not None


@given(
    st.integers(1, 10_000), st.floats(0, 7200), st.booleans(), st.floats(0, 1),
    st.one_of(st.none(), st.floats(0, 1e9)),
)  # fmt: skip
def test_no_wait_reaches_past_the_deadline(
    failures: int, left_s: float, others: bool, draw: float, retry_after_s: float | None
) -> None:
    for error in (DOWN, RateLimited("p", retry_after_s)):
        found = wait_s(error, failures, left_s=left_s, others=others, jitter=lambda: draw)
        assert found is None or 0 <= found < left_s
        if found is not None and retry_after_s is not None and isinstance(error, RateLimited):
            assert found >= retry_after_s
