"""The attempts that a document tells of, a line each: what was asked, and what came of it."""

from __future__ import annotations

from hone.cli.answers import Document, optional
from hone.cli.output import plain

_MOST, _LONGEST_REASON = 40, 200


def attempt_lines(document: Document) -> list[str]:
    """Of an artifact, or of a failed job's error; empty when it tells of none."""
    attempts = [each for each in optional(document, "attempts", list) or [] if isinstance(each, dict)]
    lines = [_line(number, attempt) for number, attempt in enumerate(attempts[:_MOST], 1)]
    if len(attempts) > _MOST:
        lines.append(f"  and {len(attempts) - _MOST} more: --json has them all")
    return lines


def _line(number: int, attempt: Document) -> str:
    kind = optional(attempt, "kind", str)
    asked = f"  attempt {plain(attempt.get('number') or number, 10)}: {plain(attempt.get('model'), 200)}"
    if kind not in (None, "first"):
        asked += f" ({plain(kind, 20)})"
    return f"{asked}: {_outcome(attempt)}"


def _outcome(attempt: Document) -> str:
    score, cost = attempt.get("score"), attempt.get("cost_usd")
    if isinstance(score, int | float):
        told = f"{score:g} of 100"
    else:
        reason = plain(attempt.get("error"), _LONGEST_REASON) or "without saying why"
        told = f"{plain(attempt.get('outcome'), 20) or 'failed'}, {reason}"
    return f"{told}, {cost:.4f} USD" if isinstance(cost, int | float) and cost > 0 else told
