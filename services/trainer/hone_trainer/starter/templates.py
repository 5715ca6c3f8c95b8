"""The template language of the phrase files: "[x|y]" are alternatives, "{slot}" is filled by the caller."""

import re
from collections.abc import Callable
from functools import lru_cache
from random import Random

from hone_trainer.starter.errors import PhraseError

# A sequence of literal texts and choices; a choice is a tuple of sequences.
Part = str | tuple["Sequence", ...]
Sequence = tuple[Part, ...]

_SLOT = re.compile(r"\{([^{}]+)\}")
_SPACES = re.compile(r" {2,}")


def expand(template: str, rng: Random) -> str:
    """One of the texts a template stands for, its slots still in it."""
    return _SPACES.sub(" ", _choose(parse(template), rng)).strip()


def fill(text: str, slot: Callable[[str], str]) -> str:
    """The text with each "{name}" replaced by what `slot(name)` gives, from left to right."""
    return _SLOT.sub(lambda match: slot(match[1]), text)


@lru_cache(maxsize=8192)
def parse(template: str) -> Sequence:
    """The tree of a template. Raises PhraseError where brackets do not match."""
    sequence, end = _sequence(template, 0, top=True)
    if end != len(template):
        raise PhraseError(template, "a bracket is closed that was never opened")
    return sequence


def _sequence(text: str, start: int, *, top: bool) -> tuple[Sequence, int]:
    parts: list[Part] = []
    literal = start
    at = start
    while at < len(text) and (top or text[at] not in "|]"):
        if text[at] == "]":
            break
        if text[at] == "[":
            parts.append(text[literal:at])
            choice, at = _choice(text, at + 1)
            parts.append(choice)
            literal = at
        else:
            at += 1
    parts.append(text[literal:at])
    return tuple(part for part in parts if part != ""), at


def _choice(text: str, at: int) -> tuple[tuple[Sequence, ...], int]:
    options: list[Sequence] = []
    while True:
        option, at = _sequence(text, at, top=False)
        options.append(option)
        if at >= len(text):
            raise PhraseError(text, "a bracket is never closed")
        at += 1
        if text[at - 1] == "]":
            return tuple(options), at


def _choose(sequence: Sequence, rng: Random) -> str:
    return "".join(part if isinstance(part, str) else _choose(rng.choice(part), rng) for part in sequence)
