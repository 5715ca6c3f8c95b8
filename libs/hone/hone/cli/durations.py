"""Durations as people write them: 500ms, 90s, 10m, 1h, 1m30s; a number alone is seconds."""

from __future__ import annotations

import re

import click

_DURATION = re.compile(r"(?:[0-9]{1,7}(?:\.[0-9]{1,6})?(?:ms|s|m|h))+")
_PART = re.compile(r"([0-9.]+)(ms|s|m|h)")
_NUMBER = re.compile(r"[0-9]{1,7}(?:\.[0-9]{1,6})?")
_SECONDS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0}


class Duration(click.ParamType[float]):
    """Seconds, above zero."""

    name = "duration"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> float:
        text = str(value).strip()
        seconds = 0.0
        if _NUMBER.fullmatch(text):
            seconds = float(text)
        elif len(text) <= 40 and _DURATION.fullmatch(text):
            seconds = sum(float(amount) * _SECONDS[unit] for amount, unit in _PART.findall(text))
        if seconds <= 0:
            self.fail(f"{text[:40]!r} is not a duration; write 90s, 10m or 1h", param, ctx)
        return seconds
