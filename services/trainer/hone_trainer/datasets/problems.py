"""What a gate says about one row, before settings make an error or a warning of it."""

from __future__ import annotations

from dataclasses import dataclass

from hone_trainer.datasets.findings import Gate


@dataclass(frozen=True, slots=True)
class Problem:
    gate: Gate
    message: str
    suggestion: str


def shown(text: str, longest: int = 60) -> str:
    """On one line, for a message."""
    line = " ".join(text[: 4 * longest].split())
    return line if len(line) <= longest else line[: longest - 1] + "…"
