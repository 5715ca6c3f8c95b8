"""Figures of an evaluation as lines: an estimate with its interval, or a number with its name."""

from __future__ import annotations

from collections.abc import Iterator

from hone.cli.answers import Document
from hone.cli.output import plain

_MOST = 40


def figure_lines(figures: Document) -> list[str]:
    """`quality +0.12 (+0.05 to +0.19)`, `means.champion.quality 0.71`. What is no figure is left out."""
    return list(_lines(figures, ""))[:_MOST]


def _lines(figures: Document, prefix: str) -> Iterator[str]:
    for key, value in figures.items():
        name = f"{prefix}{plain(key, 40)}"
        if isinstance(value, dict):
            estimate, low, high = (_number(value.get(part)) for part in ("value", "low", "high"))
            if estimate and low and high:
                yield f"{name} {estimate} ({low} to {high})"
            else:
                yield from _lines(value, f"{name}.")
        elif number := _number(value):
            yield f"{name} {number}"


def _number(value: object) -> str:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return ""
    return f"{value:.4g}"
