"""Patterns that are looked for only where one of their signs stands, which is much faster to see.

Every repetition in a pattern is bounded or possessive, so that no text takes longer than its length demands.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Pattern:
    what: str
    signs: tuple[str, ...]
    """Lower-case texts of which at least one stands wherever it matches."""
    regex: re.Pattern[str]

    def matches(self, text: str, lower: str) -> Iterator[re.Match[str]]:
        """``lower`` is the text in lower case."""
        for sign in self.signs:
            if sign in lower:
                yield from self.regex.finditer(text)
                return


def pattern(what: str, signs: str, regex: str, flags: int = 0) -> Pattern:
    """``signs`` are parted by bars."""
    return Pattern(what, tuple(signs.split("|")), re.compile(regex, flags))


def first_match(
    patterns: Sequence[Pattern], text: str, lower: str
) -> Iterator[tuple[Pattern, re.Match[str]]]:
    """Of each pattern that is there, where it stands first."""
    for each in patterns:
        match = next(each.matches(text, lower), None)
        if match:
            yield each, match
