"""Sizes and counts as people read them."""

from __future__ import annotations


def size(size_bytes: object) -> str:
    """`4.68 GB`; empty for what is no number."""
    if isinstance(size_bytes, bool) or not isinstance(size_bytes, int | float):
        return ""
    for unit, factor, places in (("GB", 1e9, 2), ("MB", 1e6, 1), ("kB", 1e3, 0)):
        if size_bytes >= factor:
            return f"{size_bytes / factor:.{places}f} {unit}"
    return f"{size_bytes:.0f} B"


def count(number: object) -> str:
    """`7.6B`, `2.6M`, `1.2k`; empty for what is no number."""
    if isinstance(number, bool) or not isinstance(number, int | float):
        return ""
    for unit, factor in (("B", 1e9), ("M", 1e6), ("k", 1e3)):
        if number >= factor:
            return f"{number / factor:.1f}{unit}"
    return f"{number:.0f}"
