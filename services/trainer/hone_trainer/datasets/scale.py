"""Percentages that are a hundredth of what is meant (0.66 % for 66 %), learned from the set itself.

A column is all figures of one name, over all answers. A figure of at most 1 % is an error when its own text says a
hundredfold; when enough of its column's texts do and none says otherwise; or when it lies far below its siblings and
a hundred times it lies among them. It is none when its own text has that very percentage, or when its siblings are
small.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from decimal import Decimal

import numpy as np

from hone_trainer.datasets.figures import Figure, figures, may_have_figures
from hone_trainer.datasets.own_text import Says, own_text
from hone_trainer.datasets.problems import Problem
from hone_trainer.datasets.row_text import RowText
from hone_trainer.datasets.rows import Row
from hone_trainer.datasets.settings import GateSettings

_TIGHTEST = 0.05  # of the decimal logarithm: siblings that are nearly one number
_GAP = 3.0  # times that errors lie below the smallest sibling
_RATE_SIBLINGS = 20  # that a name which only suggests percent needs, all above 1 and up to 100
_SIGMA = 1.4826
_MOST_JUDGED = 40  # small figures of one answer: each is a search through the row
_MOST_SMALL = 50_000  # small figures of a column that are remembered


@dataclass(frozen=True, slots=True)
class Edit:
    """What to write in place of a part of a turn."""

    turn: int
    start: int
    end: int
    new: str


@dataclass(frozen=True, slots=True)
class _Small:
    """A figure of at most 1 %."""

    row: int
    turn: int
    figure: Figure
    written: str
    says: Says


@dataclass(slots=True)
class _Column:
    large: list[float] = field(default_factory=list)
    small: list[_Small] = field(default_factory=list)
    sure: bool = False


class Scale:
    def __init__(self, settings: GateSettings) -> None:
        self._settings = settings
        self._columns: dict[str, _Column] = {}
        self.edits: dict[int, list[Edit]] = {}
        """By row; there are some when all rows were seen."""

    def see(self, row: Row, text: RowText) -> None:
        if not may_have_figures(text):
            return
        for place, turn in enumerate(row.turns):
            if turn.role == "assistant":
                self._see_answer(row, place)

    def _see_answer(self, row: Row, place: int) -> None:
        text = row.turns[place].content
        before = [turn.content for turn in row.turns[:place]]
        found = figures(text, before[-1] if before else "")
        judged = 0
        for figure in found:
            column = self._columns.setdefault(figure.name, _Column())
            column.sure |= figure.sure
            if figure.value > 1:
                column.large.append(figure.value)
            elif figure.value > 0:
                rest = text[: figure.start] + " " * (figure.end - figure.start) + text[figure.end :]
                if len(column.small) >= _MOST_SMALL or judged >= _MOST_JUDGED:
                    continue
                judged += 1
                others = [other for other in found if other is not figure and other.sure]
                says = own_text(figure, before, rest, others)
                column.small.append(_Small(row.number, place, figure, text[figure.start : figure.end], says))

    def at_the_end(self) -> Iterator[tuple[int, Problem]]:
        for name, column in self._columns.items():
            for small, why in self._errors(name, column):
                meant = _hundredfold(small.written)
                self.edits.setdefault(small.row, []).append(
                    Edit(small.turn, small.figure.start, small.figure.end, meant)
                )
                yield (
                    small.row,
                    Problem(
                        "scale",
                        f"{_shown_name(name)} is {small.written} %, but {why}",
                        f"write {meant} % (--fix does)",
                    ),
                )

    def _errors(self, name: str, column: _Column) -> Iterator[tuple[_Small, str]]:
        doubtful = [small for small in column.small if small.says is not Says.AS_IT_IS]
        genuine = [small.figure.value for small in column.small if small.says is Says.AS_IT_IS]
        saying = sum(small.says > 0 for small in doubtful)
        agreed = (
            bool(name)
            and column.sure
            and not genuine
            and saying >= max(self._settings.scale_rows_agreeing, len(doubtful) / 2)
        )
        siblings = self._siblings(name, column, genuine)
        for small in doubtful:
            if small.says is Says.HUNDREDFOLD:
                yield small, f"its own text says {_hundredfold(small.written)} %"
            elif agreed:
                yield small, f"the texts of {saying} rows with it say a hundredfold"
            elif siblings and siblings.miss(small.figure.value, self._settings):
                yield (
                    small,
                    f"{siblings.count} others of its kind lie between {siblings.low:g} and {siblings.high:g} %",
                )

    def _siblings(self, name: str, column: _Column, genuine: Sequence[float]) -> _Siblings | None:
        """None when they cannot tell: too few, or the small ones are too many."""
        needed = self._settings.scale_min_siblings
        if not column.sure:
            needed = max(needed, _RATE_SIBLINGS)
            if column.large and max(column.large) > 100:
                return None
        known = len(column.large) + len(genuine)
        wrong = len(column.small) - len(genuine)
        if not name or len(column.large) < needed or wrong > self._settings.scale_share * (known + wrong):
            return None
        siblings = _Siblings.of([*column.large, *genuine])
        doubtful = [small.figure.value for small in column.small if small.says is not Says.AS_IT_IS]
        # A column of all sizes has values between its small and its large ones; errors leave a gap there.
        apart = bool(doubtful) and siblings.low >= _GAP * float(np.quantile(doubtful, 0.9))
        return siblings if apart else None


@dataclass(frozen=True, slots=True)
class _Siblings:
    count: int
    low: float
    high: float
    median: float
    """Of the decimal logarithm, as is the spread."""
    spread: float

    @classmethod
    def of(cls, values: Sequence[float]) -> _Siblings:
        low, high = np.quantile(values, (0.02, 0.98), method="nearest")
        logs = np.log10(values)
        median = float(np.median(logs))
        spread = max(_SIGMA * float(np.median(np.abs(logs - median))), _TIGHTEST)
        return cls(len(values), float(low), float(high), median, spread)

    def miss(self, value: float, settings: GateSettings) -> bool:
        """Whether the value is none of them, and a hundred times the value is one."""
        below = (self.median - float(np.log10(value))) / self.spread
        slack = settings.scale_range_slack
        return (
            below >= settings.scale_deviations
            and value * _GAP <= self.low
            and self.low / slack <= 100 * value <= self.high * slack
        )


def _hundredfold(written: str) -> str:
    """Exactly, in the notation it was written in: 0,665 becomes 66,5."""
    comma = "," in written
    value = Decimal(written.replace(",", ".")) * 100
    decimals = max(0, len(written.replace(",", ".").partition(".")[2]) - 2)
    text = f"{value:.{decimals}f}"
    return text.replace(".", ",") if comma else text


def _shown_name(name: str) -> str:
    return "the answer" if name.startswith("asked: ") else f'"{name[:60]}"' if name else "a percentage"
