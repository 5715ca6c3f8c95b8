"""When a run may start by itself."""

from datetime import UTC, datetime, time, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hone_chassis.loop_policy import LoopPolicy
from hone_trainer.pool.weights import Given
from hone_trainer.trigger import Situation, holds, in_window

NOON = datetime(2026, 11, 25, 12, 0, tzinfo=UTC)
ENOUGH = Given(50, {}, several=True)


def situation(**more: Any) -> Situation:
    told: dict[str, Any] = {"now": NOON, "given": ENOUGH, "last_started_at": None, "running": None}
    return Situation(**told | more)


def test_a_full_batch_starts_a_run() -> None:
    assert holds(LoopPolicy(), situation()) == []


@pytest.mark.parametrize(
    ("policy", "more", "why"),
    [
        ({"enabled": False}, {}, "by themselves"),
        ({}, {"given": Given(49, {}, several=True)}, "1 of 50"),
        ({}, {"running": "job_1"}, "job_1"),
        ({}, {"trouble": "torch is missing"}, "torch"),
        ({"window": "02:00-06:00"}, {}, "02:00-06:00"),
        ({}, {"last_started_at": NOON - timedelta(seconds=500)}, "100 s"),
        ({}, {"given": Given(0, {"eve": 500, "bob": 3}, several=True)}, "22 of 50"),
        ({"alone_allowed": False}, {"given": Given(0, {"eve": 50}, several=False)}, "one person"),
    ],
)
def test_each_thing_that_holds_it_back_is_said(
    policy: dict[str, Any], more: dict[str, Any], why: str
) -> None:
    [line] = holds(LoopPolicy(**policy), situation(**more))
    assert why in line


@given(st.times(), st.times(), st.times())
def test_a_window_and_the_rest_of_the_day_are_all_of_it(begins: time, ends: time, clock: time) -> None:
    one, other = (f"{a:%H:%M}-{b:%H:%M}" for a, b in ((begins, ends), (ends, begins)))
    now = datetime.combine(NOON.date(), clock)
    if f"{begins:%H:%M}" == f"{ends:%H:%M}":
        assert in_window(one, now)
    else:
        assert in_window(one, now) is not in_window(other, now)


@pytest.mark.parametrize(
    ("clock", "open_"), [("23:00", True), ("03:59", True), ("04:00", False), ("21:59", False)]
)
def test_a_window_may_go_over_midnight(clock: str, open_: bool) -> None:
    assert in_window("22:00-04:00", datetime.combine(NOON.date(), time.fromisoformat(clock))) is open_
