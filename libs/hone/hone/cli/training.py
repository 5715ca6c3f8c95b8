"""What a training run tells on its way, for a person at a terminal."""

from __future__ import annotations

from typing import Any

import click

from hone.cli.answers import Document
from hone.cli.api import Api, path_to
from hone.cli.errors import CliError
from hone.cli.plot import plot
from hone.cli.sizes import size

_LOSS, _HELD_OUT, _RATE, _SPEED, _LEFT, _MEMORY = (
    "loss", "held_out_loss", "learning_rate", "tokens_per_s", "seconds_left", "memory_bytes"
)  # fmt: skip


class Figures:
    """The last ones of a run. The held-out loss is measured now and then, and shown until the next."""

    def __init__(self) -> None:
        self._held_out: float | None = None

    def text(self, told: object) -> str:
        """`loss 1.234, held out 1.3, 3 min left, 1200 tokens/s, rate 0.0002, 2.1 GB`; empty for none."""
        figures = _numbers(told)
        self._held_out = figures.get(_HELD_OUT, self._held_out)
        if _LOSS not in figures and _HELD_OUT not in figures:
            return ""
        parts = [
            f"loss {figures[_LOSS]:.4g}" if _LOSS in figures else "",
            "" if self._held_out is None else f"held out {self._held_out:.4g}",
            f"{duration(figures[_LEFT])} left" if _LEFT in figures else "",
            f"{figures[_SPEED]:.0f} tokens/s" if _SPEED in figures else "",
            f"rate {figures[_RATE]:.3g}" if _RATE in figures else "",
            size(figures[_MEMORY]) if figures.get(_MEMORY) else "",
        ]
        return ", ".join(filter(None, parts))


def _numbers(told: object) -> dict[str, float]:
    if not isinstance(told, dict):
        return {}
    return {
        str(name): float(value)
        for name, value in told.items()
        if isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < 1e15
    }


def duration(seconds: float) -> str:
    """`40 s`, `12 min`, `3.5 h`."""
    if seconds < 100:
        return f"{max(seconds, 0):.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 6000 else f"{seconds / 3600:.1f} h"


def show_curve(api: Api, job: Document) -> None:
    """Both curves on stderr, after a run that has any. That it cannot be shown is no reason to fail."""
    job_id: Any = job.get("id")
    if job.get("kind") != "train" or not isinstance(job_id, str):
        return
    try:
        lines = plot(api.get(path_to("jobs", job_id, "curve")))
    except CliError:
        return
    for line in lines:
        click.echo(line, err=True)
