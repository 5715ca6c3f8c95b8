"""The losses of a training run as a picture of characters that every terminal and log can show."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import isfinite

from hone.cli.answers import Document, optional

_WIDTH, _HEIGHT = 64, 12
_TRAIN, _HELD_OUT = ".", "o"

Points = list[tuple[float, float]]
"""Step and loss."""


def plot(curve: Document) -> list[str]:
    """Lines to print; none when there are no two points to draw. What is no number is left out."""
    told = [each for each in optional(curve, "points", list) or [] if isinstance(each, dict)]
    train, held_out = _series(told, "loss"), _series(told, "held_out_loss")
    steps = [step for step, _ in train + held_out]
    if len(set(steps)) < 2:
        return []
    across = _Axis(min(steps), max(steps), _WIDTH)
    drawn = _one_a_column(across, train)
    losses = [loss for _, loss in drawn + held_out]
    down = _Axis(max(losses), min(losses), _HEIGHT)
    rows = [[" "] * _WIDTH for _ in range(_HEIGHT)]
    for points, sign in ((drawn, _TRAIN), (held_out, _HELD_OUT)):
        for step, loss in points:
            rows[down.place(loss)][across.place(step)] = sign
    return [*_legend(train, held_out), *_framed(rows, across, down)]


@dataclass(frozen=True)
class _Axis:
    """``first`` has the first of ``places``, ``last`` the last."""

    first: float
    last: float
    places: int

    def place(self, value: float) -> int:
        if self.first == self.last:
            return self.places // 2
        return round((value - self.first) / (self.last - self.first) * (self.places - 1))


def _series(points: Sequence[Document], name: str) -> Points:
    found = []
    for each in points:
        step, loss = _number(each.get("step")), _number(each.get(name))
        if step is not None and loss is not None:
            found.append((step, loss))
    return found


def _number(value: object) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float) or not abs(value) < 1e15:
        return None
    return float(value) if isfinite(value) else None


def _one_a_column(across: _Axis, points: Points) -> Points:
    """The mean of the steps that fall together: single steps jump about."""
    columns: dict[int, list[tuple[float, float]]] = {}
    for step, loss in points:
        columns.setdefault(across.place(step), []).append((step, loss))
    return [(each[0][0], sum(loss for _, loss in each) / len(each)) for each in columns.values()]


def _legend(train: Points, held_out: Points) -> list[str]:
    told = []
    for sign, name, points in ((_TRAIN, "train", train), (_HELD_OUT, "held out", held_out)):
        if points:
            lowest = min(loss for _, loss in points)
            told.append(f"{sign} {name} {points[0][1]:.4g} to {points[-1][1]:.4g}, lowest {lowest:.4g}")
    return [f"loss, nats a token:  {'   '.join(told)}"]


def _framed(rows: Sequence[Sequence[str]], across: _Axis, down: _Axis) -> list[str]:
    labels = (
        {0: down.first, len(rows) - 1: down.last} if down.first > down.last else {len(rows) // 2: down.first}
    )
    lines = [f"{_label(labels.get(number)):>9} |{''.join(row)}".rstrip() for number, row in enumerate(rows)]
    first, last = f"{across.first:.0f}", f"step {across.last:.0f}"
    return [*lines, f"{'':9} +{'-' * _WIDTH}", f"{'':11}{first}{last:>{_WIDTH - len(first)}}"]


def _label(value: float | None) -> str:
    return "" if value is None else f"{value:.4g}"
