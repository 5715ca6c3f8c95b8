"""Whatever is wished, loaded and used: no card passes its limit, none in use is sent away, and there is an answer."""

from dataclasses import dataclass, replace

import pytest
from hypothesis import assume, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from hone_generator.memory.plan import (
    Busy,
    CannotFit,
    CardSpace,
    Decision,
    Load,
    Option,
    Resident,
    Unload,
    UseAsIs,
    Wish,
    decide,
)


def card(total: int, used: int = 0) -> CardSpace:
    return CardSpace(total, used, total * 9 // 10)


def wish(name: str = "wished", base: int = 30, *contexts: int) -> Wish:
    """It takes ``base`` and 1 for each 1000 tokens of context."""
    sizes = contexts or (8000, 4000)
    options = tuple(Option(size, base + size // 1000, per_card_bytes=2) for size in sizes)
    return Wish(name, options, enough_tokens=sizes[0], least_tokens=sizes[-1])


A, B = Resident("a", 40, 4000, last_used=1), Resident("b", 20, 4000, last_used=2)


@pytest.mark.parametrize(
    ("used", "residents", "asked", "expected"),
    [
        (0, [], wish(), Load(8000, 38)),
        (52, [], wish(), Load(8000, 38)),  # 90 of 100
        (53, [], wish(), Load(4000, 34)),  # nobody is there who could leave
        (57, [], wish(), CannotFit(4000, 34, 33)),
        (60, [A, B], wish(), Unload("a")),  # used longest ago
        (60, [replace(A, last_used=3), B], wish(), Unload("b")),
        (60, [replace(A, in_use=1), B], wish(), Unload("b")),
        (60, [replace(A, in_use=1), replace(B, in_use=1)], wish(), Busy(("a", "b"))),
        (60, [A, replace(B, in_use=2)], wish(), Unload("a")),
        (60, [replace(A, vram_bytes=0), B], wish(), Unload("b")),  # on the CPU: it frees nothing
        (60, [A, B], wish("wished", 100), CannotFit(4000, 104, 90)),  # nobody leaves for nothing
        (85, [Resident("wished", 38, 8000)], wish(), UseAsIs(8000)),
        (85, [Resident("wished", 38, 16_000, in_use=1)], wish(), UseAsIs(16_000)),
        (34, [Resident("wished", 34, 4000)], wish(), Unload("wished", reload=True)),
        (34, [Resident("wished", 34, None)], wish(), Unload("wished", reload=True)),
        (90, [Resident("wished", 34, 4000)], wish(), UseAsIs(4000)),  # for more there is no room
        (90, [Resident("wished", 32, 2000)], wish(), CannotFit(4000, 34, 32)),
        (34, [Resident("wished", 34, 4000, in_use=1)], wish(), UseAsIs(4000)),
        (32, [Resident("wished", 32, 2000, in_use=1)], wish(), Busy(("wished",))),
        (74, [Resident("wished", 34, 4000), A], wish("wished", 60), Unload("wished", reload=True)),
    ],
)
def test_on_one_card(used: int, residents: list[Resident], asked: Wish, expected: Decision) -> None:
    assert decide([card(100, used)], residents, asked) == expected


def test_a_smaller_context_is_chosen_only_when_unloading_does_not_help() -> None:
    assert decide([card(100, 60)], [Resident("a", 8, last_used=1)], wish()) == Unload("a")
    assert decide([card(100, 60)], [Resident("a", 4, last_used=1)], wish()) == Unload("a")  # 34 fit then
    assert decide([card(100, 56)], [Resident("a", 1, last_used=1)], wish()) == Load(4000, 34)


@pytest.mark.parametrize(
    ("cards", "expected"),
    [
        ([card(100, 50), card(100, 40)], Load(8000, 38)),  # whole, on the second
        ([card(100, 80), card(50, 0)], Load(8000, 38)),
        ([card(28, 0), card(28, 0)], Load(8000, 38)),  # half of it on each: 19 and 2
        ([card(22, 0), card(22, 0)], Load(4000, 34)),  # 17 and 2 on each
        # It may go whole onto the freest, and past its limit, so that even shares are not what comes.
        ([card(40, 0), card(40, 0)], Load(4000, 34)),
        ([card(34, 0), card(34, 0)], CannotFit(4000, 34, 60)),
        ([card(30, 25), card(30, 0)], CannotFit(4000, 34, 29)),
    ],
)
def test_on_several_cards_it_goes_where_ollama_puts_it(cards: list[CardSpace], expected: Decision) -> None:
    assert decide(cards, [], wish()) == expected


@dataclass
class Lying:
    """Where a loaded model's memory lies."""

    context: int
    shares: list[int]
    in_use: int = 0
    last_used: float = 0.0


class CardsInUse(RuleBasedStateMachine):
    """Models come and go on one to three cards, together with processes that nobody planned for. The world places
    models by its own rule, which is Ollama's, and takes up to what was predicted."""

    @initialize(totals=st.lists(st.integers(40, 200), min_size=1, max_size=3))
    def set_up(self, totals: list[int]) -> None:
        self.totals = totals
        self.foreign = [0] * len(totals)
        self.lying: dict[str, Lying] = {}
        self.clock = 0.0

    def used(self, number: int) -> int:
        return self.foreign[number] + sum(model.shares[number] for model in self.lying.values())

    def cards(self) -> list[CardSpace]:
        return [card(total, self.used(number)) for number, total in enumerate(self.totals)]

    def residents(self) -> list[Resident]:
        return [
            Resident(name, sum(model.shares), model.context, model.in_use, model.last_used)
            for name, model in self.lying.items()
        ]

    @rule(number=st.integers(0, 2), size=st.integers(0, 100))
    def another_process_takes_memory(self, number: int, size: int) -> None:
        assume(number < len(self.totals))
        free = self.totals[number] - self.used(number) + self.foreign[number]
        self.foreign[number] = min(size, free)

    @rule(name=st.sampled_from("abcd"))
    def an_answer_ends(self, name: str) -> None:
        if name in self.lying and self.lying[name].in_use:
            self.clock += 1
            self.lying[name].in_use -= 1
            self.lying[name].last_used = self.clock

    @rule(name=st.sampled_from("abcd"))
    def one_expires(self, name: str) -> None:
        if name in self.lying and not self.lying[name].in_use:
            del self.lying[name]

    @rule(
        name=st.sampled_from("abcd"),
        base=st.integers(1, 120),
        contexts=st.sets(st.integers(1, 30), min_size=1, max_size=3),
        slack=st.floats(0.86, 1),
    )
    def one_is_wished(self, name: str, base: int, contexts: set[int], slack: float) -> None:
        sizes = sorted((size * 1000 for size in contexts), reverse=True)
        asked = wish(name, base, *sizes)
        for _ in range(len(self.lying) + 2):
            decision = decide(self.cards(), self.residents(), asked)
            if not isinstance(decision, Unload):
                break
            assert self.lying[decision.name].in_use == 0
            assert decision.reload == (decision.name == name)
            del self.lying[decision.name]
        self._done(decision, asked, slack)

    def _done(self, decision: Decision, asked: Wish, slack: float) -> None:
        match decision:
            case UseAsIs(context_tokens):
                assert self.lying[asked.name].context == context_tokens >= asked.least_tokens
                self.lying[asked.name].in_use += 1
            case Load(context_tokens, needed_bytes):
                assert asked.name not in self.lying
                option = next(each for each in asked.options if each.context_tokens == context_tokens)
                assert needed_bytes == option.needed_bytes
                self._load(asked.name, option, int(needed_bytes * slack))
            case Busy(names):
                assert names
                assert all(self.lying[name].in_use for name in names)
            case CannotFit(_, needed_bytes, room_bytes):
                assert needed_bytes == asked.options[-1].needed_bytes
                assert len(self.totals) > 1 or room_bytes < needed_bytes
            case Unload():
                raise AssertionError("it never comes to an end")

    def _load(self, name: str, option: Option, taken: int) -> None:
        free = [total - self.used(number) for number, total in enumerate(self.totals)]
        freest = free.index(max(free))
        shares = [0] * len(free)
        if taken <= free[freest]:
            shares[freest] = taken
        else:
            shares = [-(-taken // len(free)) + option.per_card_bytes] * len(free)
        self.lying[name] = Lying(option.context_tokens, shares, in_use=1)
        for number, share in enumerate(shares):
            assert not share or self.used(number) <= self.totals[number] * 9 // 10, "past the limit"

    @invariant()
    def no_card_is_overfull(self) -> None:
        for number, total in enumerate(getattr(self, "totals", [])):
            assert self.used(number) <= total


TestCardsInUse = CardsInUse.TestCase
TestCardsInUse.settings = settings(max_examples=150, stateful_step_count=30, deadline=None)
