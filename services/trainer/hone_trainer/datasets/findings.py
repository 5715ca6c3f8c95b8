"""What the gates found, row by row."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from typing import Any, Literal, get_args

Gate = Literal[
    "schema",
    "encoding",
    "truncated",
    "duplicates",
    "contradictions",
    "leakage",
    "leftovers",
    "control_tokens",
    "secrets",
    "personal_data",
    "distribution",
    "scale",
]
GATES: tuple[Gate, ...] = get_args(Gate)

Severity = Literal["error", "warning"]

WHOLE_SET = 0
"""The row of a finding about no row alone."""


@dataclass(frozen=True, slots=True)
class Finding:
    gate: Gate
    severity: Severity
    row: int
    message: str
    suggestion: str
    """What to do about it."""
    side: Literal["train", "held_out"] = "train"
    """Which of the two files ``row`` is in."""


class Report:
    """Counts are of everything that was found; of each gate only the first findings are kept."""

    def __init__(self, most_kept: int) -> None:
        self.rows = 0
        self.held_out_rows = 0
        self.findings: list[Finding] = []
        self.counts: dict[Gate, dict[Severity, int]] = {}
        self._most_kept = most_kept

    def add(self, findings: Iterable[Finding]) -> None:
        for finding in findings:
            counts = self.counts.setdefault(finding.gate, {"error": 0, "warning": 0})
            if counts["error"] + counts["warning"] < self._most_kept:
                self.findings.append(finding)
            counts[finding.severity] += 1

    @property
    def errors(self) -> int:
        return sum(counts["error"] for counts in self.counts.values())

    @property
    def warnings(self) -> int:
        return sum(counts["warning"] for counts in self.counts.values())

    @property
    def ok(self) -> bool:
        """Whether training may start."""
        return self.errors == 0

    def of(self, gate: Gate) -> Iterator[Finding]:
        return (finding for finding in self.findings if finding.gate == gate)

    def to_json(self) -> dict[str, Any]:
        ordered = sorted(
            self.findings, key=lambda found: (found.side != "train", found.row, GATES.index(found.gate))
        )
        return {
            "ok": self.ok,
            "rows": self.rows,
            "held_out_rows": self.held_out_rows,
            "errors": self.errors,
            "warnings": self.warnings,
            "gates": {gate: self.counts[gate] for gate in GATES if gate in self.counts},
            "findings": [asdict(finding) for finding in ordered],
            "findings_left_out": self.errors + self.warnings - len(self.findings),
        }
