"""What a row's own text says about the size of one of its percentages."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from enum import IntEnum
from itertools import islice

from hone_trainer.datasets.figures import PERCENT, Figure

_RATIO = re.compile(
    r"(?<![\w.,/])(\d{1,9}) (?:out )?of (?:the |all |our |its |these |about )?(\d{1,9})(?![\w/]|[.,]\d)"
    r"|(?<![\w.,/])(\d{1,9}) ?/ ?(\d{1,9})(?![\w/]|[.,]\d)"
)
_PART_OF_ONE = re.compile(
    r"(?<![\w.,-])(0[.,]\d{1,8})(?!\d|[.,]\d|\s?(?:%|percent|per cent|pct|prozent|‰))",
    re.IGNORECASE,
)
_PERCENT_WORD = re.compile(r"percent|pct|%", re.IGNORECASE)
_BASIS_POINTS = re.compile(r"(?<![\w.,])(\d{1,5}(?:\.\d{1,4})?) ?(?:bps|bp|basis points)\b", re.IGNORECASE)
_PER_MILLE = re.compile(r"(?<![\w.,])(\d{1,5}(?:[.,]\d{1,4})?) ?‰")
_FRACTIONS = {
    "half": 1 / 2, "one third": 1 / 3, "a third": 1 / 3, "two thirds": 2 / 3, "two-thirds": 2 / 3, "a quarter": 1 / 4,
    "one quarter": 1 / 4, "three quarters": 3 / 4, "three-quarters": 3 / 4, "two in three": 2 / 3,
    "one in two": 1 / 2,
    "one in four": 1 / 4, "three in four": 3 / 4, "one in five": 1 / 5, "two in five": 2 / 5, "three in five": 3 / 5,
    "four in five": 4 / 5, "nine in ten": 9 / 10, "one in ten": 1 / 10, "one in three": 1 / 3,
}  # fmt: skip
_AROUND = 70  # characters in which the name of a figure stands beside its number
_SENTENCE = re.compile(r"[.!?](?=\s)|\n")
_MOST_MENTIONS = 200
_LONGEST_TEXT = 20_000


class Says(IntEnum):
    AS_IT_IS = -1
    """The text has this very percentage: it is no error, whatever its siblings are."""
    NOTHING = 0
    PERHAPS = 1
    """A hundredfold stands in the text, but perhaps of something else."""
    HUNDREDFOLD = 2


def own_text(figure: Figure, texts: Sequence[str], skipped: str, others: Sequence[Figure]) -> Says:
    """``texts`` are those that stand before the answer; ``skipped`` is the answer without the figure's own number;
    ``others`` are the answer's other percentages."""
    said = Says.NOTHING
    for text in (*(text[:_LONGEST_TEXT] for text in texts), skipped[:_LONGEST_TEXT]):
        for told in _mentions(figure, text, own=text is skipped):
            if told is Says.AS_IT_IS:
                return told
            said = max(said, told)
    return max(said, _whole(figure, others))


def _mentions(figure: Figure, text: str, own: bool) -> Iterator[Says]:
    """``own``: the text is the answer, which says what it says twice by right."""
    yield from _percentages(figure, text, own)
    yield from _small_units(figure, text)
    yield from _ratios(figure, text)
    for match in _PART_OF_ONE.finditer(text):
        in_percent = _PERCENT_WORD.search(text, max(0, match.start() - 30), match.end() + 10)
        if _value(match[1]) == figure.value and not in_percent:
            yield Says.HUNDREDFOLD if _named(figure, text, match) and not own else Says.PERHAPS
    yield from _words(figure, text)


def _percentages(figure: Figure, text: str, own: bool) -> Iterator[Says]:
    for match in islice(PERCENT.finditer(text), _MOST_MENTIONS):
        value = _value(match[1])
        if value == figure.value and not own:
            yield Says.AS_IT_IS
        elif _rounds_to(value, figure):
            yield Says.HUNDREDFOLD if _named(figure, text, match) else Says.PERHAPS


def _small_units(figure: Figure, text: str) -> Iterator[Says]:
    for unit, times in ((_BASIS_POINTS, 100), (_PER_MILLE, 10)):
        for match in islice(unit.finditer(text), _MOST_MENTIONS):
            if abs(_value(match[1]) - times * figure.value) < 1e-6:
                yield Says.AS_IT_IS


def _ratios(figure: Figure, text: str) -> Iterator[Says]:
    for match in islice(_RATIO.finditer(text), _MOST_MENTIONS):
        part, whole = int(match[1] or match[3]), int(match[2] or match[4])
        if part >= whole:
            continue
        if _rounds_to(100 * part / whole, figure):
            yield Says.HUNDREDFOLD if _telling(figure) or _named(figure, text, match) else Says.PERHAPS
        elif round(100 * part / whole, figure.decimals) == figure.value:
            yield Says.AS_IT_IS


def _words(figure: Figure, text: str) -> Iterator[Says]:
    lower = text.lower()
    for words, part in _FRACTIONS.items():
        if words in lower and _rounds_to(100 * part, figure) and (match := re.search(rf"\b{words}\b", lower)):
            yield Says.HUNDREDFOLD if _telling(figure) and _named(figure, text, match) else Says.PERHAPS


def _telling(figure: Figure) -> bool:
    """0.66 is hardly ever met by chance, 0.5 is."""
    return figure.decimals >= 2


def _value(written: str) -> float:
    return float(written.replace(",", "."))


def _rounds_to(percent: float, figure: Figure) -> bool:
    """Whether it is a hundred times the figure, as exactly as the figure is written (0.66 is 65.5 to 66.5)."""
    step = 10.0 ** (2 - figure.decimals)
    return abs(percent - 100 * figure.value) <= max(0.5 * step, 1e-6) * 1.0001 and percent > 1


def _named(figure: Figure, text: str, match: re.Match[str]) -> bool:
    """Whether a word of the figure's name stands in the sentence of the match, and near it."""
    if figure.name.startswith("asked: "):
        return True  # the question is about nothing else
    before = _SENTENCE.split(text[max(0, match.start() - _AROUND) : match.start()])[-1]
    after = _SENTENCE.split(text[match.end() : match.end() + _AROUND])[0]
    around = f"{before} {after}".lower()
    return any(
        re.search(rf"\b{re.escape(word[:-1] if len(word) > 4 else word)}", around)
        for word in figure.name.split()
    )


def _whole(figure: Figure, others: Sequence[Figure]) -> Says:
    """Parts of a whole: all of them make 1 where 100 is meant, or 100 with a hundred times this one."""
    values = [other.value for other in others]
    if not values:
        return Says.NOTHING
    total = sum(values)
    rounding = 0.0051 * (len(values) + 1) / 2
    if all(value <= 1 for value in values) and abs(total + figure.value - 1) <= rounding:
        return Says.HUNDREDFOLD if len(values) >= 2 or _telling(figure) else Says.PERHAPS
    if abs(total + 100 * figure.value - 100) <= 0.51 and abs(total + figure.value - 100) > 2:
        return Says.HUNDREDFOLD if _telling(figure) else Says.PERHAPS
    return Says.NOTHING
