"""Patterns that are looked for only where one of their signs stands, which is much faster to see.

Every repetition in a pattern is bounded or possessive, so that no text takes longer than its length demands.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from hone_trainer.datasets.row_text import RowText


@dataclass(frozen=True, slots=True)
class Pattern:
    what: str
    signs: tuple[str, ...]
    """Lower-case texts of which at least one stands wherever it matches: a whole word when it is letters and digits
    alone, and otherwise any part of the text. With a star at its end it is a part of a word."""
    regex: re.Pattern[str]


def pattern(what: str, signs: str, regex: str, flags: int = 0) -> Pattern:
    """``signs`` are parted by spaces."""
    return Pattern(what, tuple(signs.split()), re.compile(regex, flags))


class Patterns:
    """Looked for together; found in the order they are given in."""

    def __init__(self, *patterns: Pattern) -> None:
        self._patterns = patterns
        signs = [sign for each in patterns for sign in each.signs]
        self._words = frozenset(sign.encode() for sign in signs if _is_word(sign))
        parts = dict.fromkeys(sign for sign in signs if not _is_word(sign))
        self._parts = tuple((sign.removesuffix("*"), sign) for sign in parts)

    def __iter__(self) -> Iterator[Pattern]:
        return iter(self._patterns)

    def possible(self, text: RowText) -> list[Pattern]:
        """Those that may match a turn of the row."""
        lower = text.lower
        seen = {sign for part, sign in self._parts if part in lower}
        if not self._words.isdisjoint(text.words):
            seen.update(word.decode() for word in self._words & text.words)
        return [each for each in self._patterns if not seen.isdisjoint(each.signs)] if seen else []


def _is_word(sign: str) -> bool:
    return sign.isascii() and sign.isalnum()
