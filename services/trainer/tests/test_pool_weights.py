"""One person does not dominate a batch, and everyone's examples can be used in the end."""

from hypothesis import assume, given
from hypothesis import strategies as st
from pytest import approx

from hone_trainer.pool.weights import MOST_LOWERED, Given, agreement, allowance, fillable, weigh

shares = st.floats(0.05, 1.0)
people = st.dictionaries(st.sampled_from("abcdefg"), st.integers(1, 200), max_size=7)


@given(st.integers(1, 100), shares, people, st.integers(0, 50), st.booleans())
def test_no_batch_has_more_of_one_person_than_may_be(
    size: int, share: float, own: dict[str, int], shared: int, several: bool
) -> None:
    pool = Given(shared, own, several)
    most = allowance(size, share, pool)
    filled = fillable(size, share, pool)
    assert filled <= size
    if pool.alone:
        assert filled == min(size, pool.total)
    else:
        assert most <= max(share * size, -(-size // max(2, len(own))))
        assert filled == min(size, shared + sum(min(n, most) for n in own.values()))


@given(st.integers(1, 100), shares, people)
def test_when_everyone_gives_enough_a_batch_can_be_filled(
    size: int, share: float, own: dict[str, int]
) -> None:
    assume(len(own) >= 2)
    pool = Given(0, dict.fromkeys(own, size), several=True)
    assert fillable(size, share, pool) == size


def test_one_who_floods_does_not_fill_a_batch_when_others_give() -> None:
    assert fillable(50, 0.5, Given(0, {"eve": 500, "bob": 3}, several=True)) == 28
    assert fillable(50, 0.5, Given(0, {"eve": 500}, several=True)) == 25  # bob has spoken lately
    assert fillable(50, 0.5, Given(0, {"eve": 500}, several=False)) == 50


examples = st.lists(
    st.tuples(st.sampled_from(["", "a", "b", "c"]), st.floats(0.1, 1.0)), min_size=1, max_size=60
)


@given(examples, shares)
def test_weights_are_positive_have_mean_one_and_bound_everyone_as_far_as_they_are_lowered(
    those: list[tuple[str, float]], share: float
) -> None:
    names, agreements = [name for name, _ in those], [each for _, each in those]
    weights = weigh(names, agreements, share)
    assert min(weights) > 0 and sum(weights) == approx(len(weights))
    givers = {name for name in names if name}
    bound = max(share, 1 / len(givers)) if givers else 1.0
    if len(set(names)) == 1:
        return
    # Relative to what agreement alone would give, which the others' examples keep.
    scale = max(w / a for w, a in zip(weights, agreements, strict=True))
    for person in givers:
        own = [(w, a) for w, a, name in zip(weights, agreements, names, strict=True) if name == person]
        lowered = own[0][0] / own[0][1] / scale
        assert sum(w for w, _ in own) <= bound * len(weights) * (1 + 1e-6) or lowered <= MOST_LOWERED * (
            1 + 1e-6
        )


def test_two_who_agree_weigh_more_than_one_and_one_against_makes_it_less() -> None:
    assert agreement(2, 0) > agreement(1, 0) > agreement(2, 1) > agreement(1, 1) == 0.5
