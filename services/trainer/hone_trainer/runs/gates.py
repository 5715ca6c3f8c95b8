"""The quality gates over a run's examples. Errors stop the run, and name the examples."""

from collections.abc import Sequence
from typing import Any

from hone_trainer.errors import DatasetBad
from hone_trainer.examples import Example
from hone_trainer.runs.split import Split

_MOST_KEPT = 300
"""Findings of a report that stays with its dataset, and is shown with it in one message."""

_MOST_TOLD = 50
"""Of one that goes into the error of a run."""


def check(parts: Split) -> dict[str, Any]:
    """Their report. Raises DatasetBad. In a thread: it loads numpy, and looks at every word."""
    from hone_trainer.datasets.check import check as judge  # noqa: PLC0415 (numpy: only a run needs it)

    sides = {"train": parts.train, "held_out": parts.held_out}
    report = judge(_rows(parts.train), held_out=_rows(parts.held_out))
    told = report.to_json()
    kept = told["findings"][:_MOST_KEPT]
    told |= {"findings": kept, "findings_left_out": report.errors + report.warnings - len(kept)}
    if report.ok:
        return told
    bad: dict[str, str] = {}
    for finding in report.findings:
        if finding.severity == "error" and finding.row:
            bad.setdefault(sides[finding.side][finding.row - 1].id, f"{finding.gate}: {finding.message}")
    short = told | {
        "findings": [each for each in kept if each["severity"] == "error"][:_MOST_TOLD],
        "examples": dict(list(bad.items())[:_MOST_TOLD]),
    }
    summary = f"{report.errors} in {report.rows + report.held_out_rows} rows, by gate {_by_gate(told)}"
    raise DatasetBad(summary, short, bad)


def _by_gate(told: dict[str, Any]) -> str:
    counts = ((gate, of["error"]) for gate, of in told["gates"].items())
    return ", ".join(f"{gate} {errors}" for gate, errors in counts if errors)


def _rows(examples: Sequence[Example]) -> list[Any]:
    from hone_trainer.datasets.rows import Reference, Row, Turn  # noqa: PLC0415

    return [
        Row(
            number,
            (Turn("user", each.requirements), Turn("assistant", each.content)),
            reference=Reference(source=each.source, origin=each.origin),
        )
        for number, each in enumerate(examples, 1)
    ]
