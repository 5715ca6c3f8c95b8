"""The attempts that a document tells of, a line each: what was asked, and what came of it."""

from __future__ import annotations

from itertools import groupby

from hone.cli.answers import Document, optional
from hone.cli.output import plain

_MOST, _LONGEST_REASON = 40, 200


def attempt_lines(document: Document) -> list[str]:
    """Of an artifact, or of a failed job's error; empty when it tells of none. What repeats itself is one line."""
    attempts = [each for each in optional(document, "attempts", list) or [] if isinstance(each, dict)]
    numbered = [(_number(attempt, place), attempt) for place, attempt in enumerate(attempts, 1)]
    groups = groupby(numbered, key=lambda each: (plain(each[1].get("model"), 200), _outcome(each[1])))
    lines = [_line(list(group), *told) for told, group in groups]
    if len(lines) > _MOST:
        lines = [*lines[:_MOST], f"  and {len(lines) - _MOST} more: --json has them all"]
    return lines


def _number(attempt: Document, place: int) -> str:
    return plain(attempt.get("number") or place, 10)


def _line(group: list[tuple[str, Document]], model: str, outcome: str) -> str:
    first, last = group[0][0], group[-1][0]
    if len(group) > 1:
        return f"  attempts {first} to {last}: {model}: {outcome}"
    kind = plain(optional(group[0][1], "kind", str), 20)
    return f"  attempt {first}: {model}{f' ({kind})' if kind not in ('', 'first') else ''}: {outcome}"


def _outcome(attempt: Document) -> str:
    score, cost = attempt.get("score"), attempt.get("cost_usd")
    if isinstance(score, int | float):
        told = f"{score:g} of 100"
    else:
        reason = plain(attempt.get("error"), _LONGEST_REASON) or "without saying why"
        told = f"{plain(attempt.get('outcome'), 20) or 'failed'}, {reason}"
    return f"{told}, {cost:.4f} USD" if isinstance(cost, int | float) and cost > 0 else told
