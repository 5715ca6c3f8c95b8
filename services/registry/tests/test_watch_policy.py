"""The watch as a function of numbers: how often it is wrong, and how soon it is right."""

import math
import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hone_chassis.loop_policy import LoopPolicy
from hone_registry.policy.betting import Stream, log_factor
from hone_registry.policy.watch import ONE_PERSON, Moments, Watch, begun, moments, restored, stored

POLICY = LoopPolicy()
ALPHA = POLICY.watch_alpha
qualities = st.floats(0, 1)


def drawn(rng: random.Random, mean: float) -> float:
    """As a small model's scores are: mostly good, now and then nothing."""
    return rng.choice((0.94, 0.97, 1.0)) if rng.random() < mean / 0.97 else 0.0


def alarm(
    rng: random.Random, before: float, known: int, now: float, limit: int, change: int = 0
) -> int | None:
    """After how many answers a version is found worse that answers like ``before`` until ``change``."""
    watch = begun(moments(drawn(rng, before) for _ in range(known)), Moments(), POLICY)
    for place in range(limit):
        watch, _ = watch.saw("answers", drawn(rng, before if place < change else now), ALPHA)
        if watch.alarmed(ALPHA):
            return place + 1
    return None


@pytest.mark.slow
@pytest.mark.parametrize("known", [10, 50, 500])
def test_one_that_is_as_good_as_the_one_before_is_hardly_ever_found_worse(known: int) -> None:
    rng = random.Random(known)
    alarms = [alarm(rng, 0.92, known, 0.92, 2000) for _ in range(100)]
    assert sum(each is not None for each in alarms) <= 3  # one is expected at most


@pytest.mark.parametrize(("drop", "within"), [(0.4, 60), (0.2, 400)])
def test_one_that_turns_bad_is_found_out_soon_however_long_it_was_good(drop: float, within: int) -> None:
    rng = random.Random(1)
    for change in (0, 3000):
        found = sorted(
            (alarm(rng, 0.85, 1000, 0.85 - drop, change + 2000, change) or 9999) - change for _ in range(9)
        )
        assert 0 < found[4] <= within


@given(st.lists(qualities, max_size=200), st.floats(0.01, 0.99))
@settings(max_examples=200, deadline=None)
def test_whatever_is_seen_no_bet_loses_the_whole_purse(values: list[float], floor: float) -> None:
    stream = Stream(floor)
    for value in values:
        assert stream.stake >= 0
        assert math.isfinite(log_factor(1.0, floor, stream.stake))
        stream = stream.after(value)


@given(st.lists(qualities, min_size=1, max_size=60), st.lists(qualities, max_size=60))
@settings(max_examples=100, deadline=None)
def test_a_watch_is_the_same_after_it_was_stored(before: list[float], seen: list[float]) -> None:
    watch = begun(moments(before), moments(before), POLICY)
    for value in seen:
        watch, _ = watch.saw("answers", value, ALPHA)
        watch, _ = watch.saw("verdicts", value, ALPHA, 0.0)
    assert restored(stored(watch)) == watch


@given(st.lists(qualities, min_size=10, max_size=60))
@settings(max_examples=200, deadline=None)
def test_a_floor_lies_below_the_mean(values: list[float]) -> None:
    known = moments(values)
    assert known.mean is not None
    assert known.floor(0.01) <= known.mean + 1e-9


def verdicts(watch: Watch, *said: tuple[str, float]) -> Watch:
    """Each person's part of the purse is reckoned as the registry does it."""
    made: dict[tuple[str, int], float] = {}
    for person, value in said:
        purse, floor = watch.purse, watch.streams["verdicts"].floor
        watch, stake = watch.saw("verdicts", value, ALPHA, made.get((person, purse), 0.0))
        made[person, purse] = made.get((person, purse), 0.0) + log_factor(value, floor, stake)
    return watch


@given(st.lists(st.sampled_from([0.0, 0.1, 0.3, 1.0]), max_size=300), st.sampled_from([0, 30]))
@settings(max_examples=100, deadline=None)
def test_one_person_alone_never_raises_an_alarm(values: list[float], known: int) -> None:
    watch = begun(Moments(), moments([0.9, 0.8, 1.0] * (known // 3)), POLICY)
    after = verdicts(watch, *(("flooder", value) for value in values), *[("flooder", 0.0)] * 100)
    assert not after.alarmed(ALPHA)
    assert after.log_purse <= ONE_PERSON * after.bar(ALPHA) + 1e-6


def test_two_people_who_agree_are_enough() -> None:
    watch = begun(Moments(), moments([0.9, 0.8, 1.0] * 10), POLICY)
    assert verdicts(watch, *[("ada", 0.1), ("bob", 0.1)] * 20).alarmed(ALPHA)


def test_without_verdicts_before_it_takes_complaints_and_not_only_fewer_praises() -> None:
    watch = begun(Moments(), Moments(), POLICY)
    assert list(watch.streams) == ["verdicts"]
    people = ["ada", "bob", "eve", "kim"]
    lukewarm = [(people[place % 4], 0.6 if place % 2 else 0.5) for place in range(300)]
    assert not verdicts(watch, *lukewarm).alarmed(ALPHA)
    assert verdicts(watch, *[(people[place % 4], 0.15) for place in range(60)]).alarmed(ALPHA)
