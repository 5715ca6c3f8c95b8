"""Which model may be loaded with which context, and what must leave first. Pure: it looks at nothing and does
nothing.

One step at a time: after a model has left, the cards are looked at again, because what a driver says is true
and what was planned may not be.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

# Of what is predicted, a server takes at least so much.
_SURE_SHARE = 0.85


@dataclass(frozen=True, slots=True)
class CardSpace:
    """``limit_bytes`` is what may be used of ``total_bytes``, by everybody together; ``reserved_bytes`` are free now
    and may be taken at any moment."""

    total_bytes: int
    used_bytes: int
    limit_bytes: int
    reserved_bytes: int = 0

    @property
    def free_bytes(self) -> int:
        return self.total_bytes - self.used_bytes

    @property
    def room_bytes(self) -> int:
        return self.limit_bytes - self.used_bytes - self.reserved_bytes

    def without(self, size_bytes: int) -> "CardSpace":
        return replace(self, used_bytes=max(self.used_bytes - size_bytes, 0))


@dataclass(frozen=True, slots=True)
class Resident:
    """A model in memory. ``last_used`` orders models that are idle; ``context_tokens`` where the server tells
    it."""

    name: str
    vram_bytes: int
    context_tokens: int | None = None
    in_use: int = 0
    last_used: float = 0.0


@dataclass(frozen=True, slots=True)
class Option:
    """A context that the model could be loaded with, and what it takes then: ``needed_bytes`` on one card, and
    ``per_card_bytes`` more on each if it is spread over several."""

    context_tokens: int
    needed_bytes: int
    per_card_bytes: int = 0


@dataclass(frozen=True, slots=True)
class Wish:
    """``options`` from the largest context to the smallest. A model that is loaded with ``enough_tokens`` is
    used as it is; ``least_tokens`` will do where there is no better."""

    name: str
    options: tuple[Option, ...]
    enough_tokens: int
    least_tokens: int


@dataclass(frozen=True, slots=True)
class UseAsIs:
    context_tokens: int


@dataclass(frozen=True, slots=True)
class Load:
    """It fits as things are now."""

    context_tokens: int
    needed_bytes: int


@dataclass(frozen=True, slots=True)
class Unload:
    """This one first, then look again. ``reload``: it is the wished model itself, with too small a context."""

    name: str
    reload: bool = False


@dataclass(frozen=True, slots=True)
class Busy:
    """It would fit without these, which are being used."""

    names: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class CannotFit:
    """Not even alone and with the smallest context. ``room_bytes`` is what could be had for it."""

    context_tokens: int
    needed_bytes: int
    room_bytes: int


Decision = UseAsIs | Load | Unload | Busy | CannotFit


def decide(cards: Sequence[CardSpace], residents: Sequence[Resident], wish: Wish) -> Decision:
    """The largest context that can be had, by unloading idle models if need be, the least recently used first.

    ``cards`` holds at least one. What several cards would have free after an unloading is guessed at its
    best, since no server tells on which of them a model lies; the next look tells.
    """
    own = next((resident for resident in residents if resident.name == wish.name), None)
    if own is not None and (kept := keeps(own, wish)):
        return kept
    idle = sorted(
        (each for each in residents if not each.in_use and each != own), key=lambda each: each.last_used
    )
    for option in _larger(wish.options, own):
        if (step := _step(cards, own, idle, option)) is not None:
            return step
    if own is not None and own.context_tokens is not None and own.context_tokens >= wish.least_tokens:
        return UseAsIs(own.context_tokens)
    return _refusal(cards, residents, wish)


def keeps(own: Resident, wish: Wish) -> Decision | None:
    """What is loaded serves, or must not be touched."""
    if own.context_tokens is not None and own.context_tokens >= wish.enough_tokens:
        return UseAsIs(own.context_tokens)
    if not own.in_use:
        return None
    if own.context_tokens is not None and own.context_tokens >= wish.least_tokens:
        return UseAsIs(own.context_tokens)
    return Busy((own.name,))


def _larger(options: Sequence[Option], own: Resident | None) -> Sequence[Option]:
    """To load a model anew is worth it for more context than it has."""
    if own is None or own.context_tokens is None:
        return options
    return [option for option in options if option.context_tokens > (own.context_tokens or 0)]


def _step(
    cards: Sequence[CardSpace], own: Resident | None, idle: Sequence[Resident], option: Option
) -> Decision | None:
    """What to do first towards this option, if it can be had."""
    if own is None and fits(cards, option):
        return Load(option.context_tokens, option.needed_bytes)
    leaving = [own] if own is not None else []
    if own is not None and fits(_without(cards, leaving), option):
        return Unload(own.name, reload=True)
    for resident in idle:
        leaving.append(resident)
        if fits(_without(cards, leaving), option):
            first = next(each for each in leaving if each.vram_bytes or each is own)
            return Unload(first.name, reload=first is own)
    return None


def _refusal(cards: Sequence[CardSpace], residents: Sequence[Resident], wish: Wish) -> Decision:
    least = wish.options[-1]
    empty = _without(cards, residents)
    if fits(empty, least):
        return Busy(tuple(each.name for each in residents if each.in_use))
    room = sum(max(card.room_bytes, 0) for card in empty)
    return CannotFit(least.context_tokens, least.needed_bytes, room)


def _without(cards: Sequence[CardSpace], leaving: Sequence[Resident]) -> list[CardSpace]:
    freed = sum(resident.vram_bytes for resident in leaving)
    return [card.without(freed) for card in cards]


def fits(cards: Sequence[CardSpace], option: Option) -> bool:
    """Whether no card passes its limit, if it is loaded as Ollama does: onto the card with most memory free if it
    goes there whole, up to its last byte, else spread evenly over all (``pickBestFullFitByLibrary`` in
    server/sched.go). It decides by a prediction of its own, so that what only just goes nowhere whole may go there.
    """
    most_free = max(card.free_bytes for card in cards)
    may_be_freest = [card for card in cards if card.free_bytes + card.reserved_bytes >= most_free]
    if all(option.needed_bytes <= card.room_bytes for card in may_be_freest):
        return True
    if option.needed_bytes * _SURE_SHARE <= most_free or len(cards) == 1:
        return False
    share = -(-option.needed_bytes // len(cards)) + option.per_card_bytes
    return all(share <= card.room_bytes for card in cards)
