"""What is left of time, tokens and money."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hone_contracts.registry import Budget
from hone_generator.engine.budget import Cost, Purse, tighter, tokens_of
from hone_generator.engine.errors import OverBudget


def purse(**limits: float) -> Purse:
    return Purse(Budget.model_validate(limits), lambda: 100.0)


def free(_read: int, _written: int) -> float:
    return 0.0


def dear(read: int, written: int) -> float:
    return (read + 2 * written) / 1000


def test_of_route_and_request_the_tighter_limit_holds() -> None:
    route = Budget(deadline_s=60, max_tokens=None, max_cost_usd=0.5)
    asked = Budget(deadline_s=600, max_tokens=100, max_cost_usd=2)
    assert tighter(route, asked) == Budget(deadline_s=60, max_tokens=100, max_cost_usd=0.5)
    assert tighter(route, None) == route


def test_without_limits_an_answer_may_be_as_long_as_wanted() -> None:
    assert purse().answer_tokens("m", 10_000_000, 8192, free) == 8192


def test_an_answer_is_cut_to_the_tokens_that_are_left() -> None:
    spent = purse(max_tokens=1000)
    spent.spend(600, None)
    assert spent.answer_tokens("m", 300, 8192, free) == 300


def test_too_few_tokens_for_an_answer_are_none() -> None:
    spent = purse(max_tokens=1000)
    spent.spend(990, None)
    with pytest.raises(OverBudget) as refusal:
        spent.answer_tokens("m", 3, 8192, free)
    assert refusal.value.code == "token_budget"


def test_who_asks_for_few_tokens_gets_them() -> None:
    assert purse(max_tokens=20).answer_tokens("m", 3, 5, free) == 5


def test_money_that_is_spent_buys_nothing() -> None:
    spent = purse(max_cost_usd=1)
    spent.spend(0, 0.99)
    with pytest.raises(OverBudget) as refusal:
        spent.answer_tokens("m", 3, 8192, dear)
    assert refusal.value.code == "cost_budget"
    assert spent.answer_tokens("m", 3, 8192, free) == 8192  # models that cost nothing go on


def test_an_unknown_price_is_not_risked() -> None:
    with pytest.raises(OverBudget) as refusal:
        purse(max_cost_usd=1).answer_tokens("cloud:x", 3, 8192, lambda _read, _written: None)
    assert refusal.value.code == "price_unknown"


@given(
    st.integers(0, 100_000), st.integers(1, 100_000), st.floats(0, 10), st.floats(0, 10),
    st.floats(0, 0.01), st.floats(0, 0.01),
)  # fmt: skip
def test_what_is_allowed_never_costs_more_than_is_left(
    prompt_chars: int, wanted: int, most: float, spent: float, reading: float, writing: float
) -> None:
    limited = purse(max_cost_usd=most)
    limited.spend(0, spent)
    cost: Cost = lambda read, written: read * reading + written * writing  # noqa: E731
    try:
        allowed = limited.answer_tokens("m", prompt_chars, wanted, cost)
    except OverBudget:
        return
    assert 0 < allowed <= wanted
    assert (cost(tokens_of(prompt_chars), allowed) or 0) <= most - spent + 1e-6
