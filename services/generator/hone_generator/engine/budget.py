"""What a request may still take: time, tokens, money. One purse for all attempts of all models."""

from collections.abc import Callable

from hone_contracts.models import ModelRef
from hone_contracts.registry import Budget
from hone_generator.engine.errors import OverBudget

Now = Callable[[], float]
"""Seconds of a clock that never goes back."""

CHARS_PER_TOKEN = (
    3.0  # below what tokenizers need for prose (4) and code (3.2): counts too many rather than too few
)
_FEWEST_TOKENS = 32  # an answer shorter than that is none


Price = Callable[[ModelRef, int, int], float | None]
"""What that many prompt and completion tokens of a model cost, in US dollars; None where it is not known."""

Cost = Callable[[int, int], float | None]
"""The same of one model."""


def unknown_price(_model: ModelRef, _prompt_tokens: int, _completion_tokens: int) -> float | None:
    """For who has no price list. Models on the team's own machines cost nothing in any case."""
    return None


def tighter(route: Budget, asked: Budget | None) -> Budget:
    """A request may ask for less than its route allows, never for more."""
    if asked is None:
        return route
    return Budget(
        deadline_s=min(route.deadline_s, asked.deadline_s),
        max_tokens=_least(route.max_tokens, asked.max_tokens),
        max_cost_usd=_least(route.max_cost_usd, asked.max_cost_usd),
    )


def _least(one: float | None, other: float | None) -> float | None:
    return min((each for each in (one, other) if each is not None), default=None)


def tokens_of(chars: int) -> int:
    """An estimate for what nobody counted."""
    return -int(-chars // CHARS_PER_TOKEN)


class Purse:
    """Opened when the request begins; its deadline is a time of ``now``'s clock."""

    def __init__(self, budget: Budget, now: Now) -> None:
        self.budget, self._now = budget, now
        self.deadline = now() + budget.deadline_s
        self.tokens_spent = 0
        self.cost_usd = 0.0

    @property
    def left_s(self) -> float:
        return max(0.0, self.deadline - self._now())

    def spend(self, tokens: int, cost_usd: float | None) -> None:
        self.tokens_spent += tokens
        self.cost_usd += cost_usd or 0.0

    def answer_tokens(self, model: str, prompt_chars: int, wanted: int, cost: Cost) -> int:
        """How long the answer to the next question may be, at most ``wanted``. Raises OverBudget."""
        prompt_tokens = tokens_of(prompt_chars)
        return min(
            wanted, self._by_tokens(prompt_tokens, wanted), self._by_cost(model, prompt_tokens, wanted, cost)
        )

    def _by_tokens(self, prompt_tokens: int, wanted: int) -> int:
        if self.budget.max_tokens is None:
            return wanted
        left = self.budget.max_tokens - self.tokens_spent - prompt_tokens
        if left < min(wanted, _FEWEST_TOKENS):
            raise OverBudget(
                "token_budget",
                f"the request's {self.budget.max_tokens} tokens do not suffice for one more question "
                f"({self.tokens_spent} are spent, about {prompt_tokens} would be read)",
            )
        return left

    def _by_cost(self, model: str, prompt_tokens: int, wanted: int, cost: Cost) -> int:
        most = self.budget.max_cost_usd
        if most is None:
            return wanted
        full = cost(prompt_tokens, wanted)
        if full is None:
            raise OverBudget(
                "price_unknown", f"the price of {model} is not known, and the budget is ${most:g}"
            )
        left = most - self.cost_usd
        if full <= left:
            return wanted
        reading = cost(prompt_tokens, 0) or 0.0
        share = (left - reading) / (full - reading) if full > reading else 0.0
        affordable = int(max(0.0, min(1.0, share)) * wanted)
        if affordable < min(wanted, _FEWEST_TOKENS):
            raise OverBudget(
                "cost_budget",
                f"the request may cost ${most:g}; ${self.cost_usd:.4f} are spent, and {model} would go past it",
            )
        return affordable
