"""All gates over a set of rows, in one pass and memory for the signatures of its texts."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from itertools import chain
from typing import Literal

from hone_trainer.datasets.control_tokens import control_token_problems
from hone_trainer.datasets.distribution import Distribution
from hone_trainer.datasets.encoding import encoding_problems
from hone_trainer.datasets.findings import Finding, Gate, Report
from hone_trainer.datasets.leftovers import leftover_problems
from hone_trainer.datasets.personal import personal_problems
from hone_trainer.datasets.problems import Problem
from hone_trainer.datasets.repeats import Repeats
from hone_trainer.datasets.row_text import RowText
from hone_trainer.datasets.rows import Row
from hone_trainer.datasets.scale import Edit, Scale
from hone_trainer.datasets.schema import schema_problems
from hone_trainer.datasets.secrets import secret_problems
from hone_trainer.datasets.settings import GateSettings
from hone_trainer.datasets.truncated import Truncated

Side = Literal["train", "held_out"]
Rows = Iterable["Row | Finding"]

_ROW_GATES: tuple[tuple[Gate, Callable[[Row, RowText], Iterator[Problem]]], ...] = (
    ("schema", schema_problems),
    ("encoding", encoding_problems),
    ("leftovers", leftover_problems),
    ("control_tokens", control_token_problems),
    ("secrets", secret_problems),
    ("personal_data", personal_problems),
)


def check(rows: Rows, *, held_out: Rows | None = None, settings: GateSettings | None = None) -> Report:
    """What `read` gives, judged. Held-out rows are judged one by one as well, and against those trained on."""
    settings = settings or GateSettings()
    report = Report(settings.most_findings_kept)
    gates = SetGates(settings)
    for finding in gates.judged(rows, "train"):
        report.add([finding])
    if held_out is not None:
        for finding in gates.judged(held_out, "held_out"):
            report.add([finding])
    for finding in gates.at_the_end():
        report.add([finding])
    report.rows, report.held_out_rows = gates.seen["train"], gates.seen["held_out"]
    return report


class SetGates:
    """The gates of one check; those over the whole set answer when all rows were seen."""

    def __init__(self, settings: GateSettings) -> None:
        self._settings = settings
        self._row_gates = [judge for gate, judge in _ROW_GATES if settings.severity(gate)]
        self._truncated = {side: Truncated(settings) for side in ("train", "held_out")}
        self._repeats = Repeats(settings)
        self._distribution = Distribution(settings)
        self._scale: dict[str, Scale] = {side: Scale(settings) for side in ("train", "held_out")}
        self._repeating = any(settings.severity(gate) for gate in ("duplicates", "contradictions", "leakage"))
        self.seen: dict[Side, int] = {"train": 0, "held_out": 0}

    @property
    def edits(self) -> dict[int, list[Edit]]:
        """Repairs of figures, by row, when all rows were seen."""
        return self._scale["train"].edits if self._settings.severity("scale") else {}

    def judged(self, rows: Rows, side: Side) -> Iterator[Finding]:
        """What is found row by row."""
        for row in rows:
            if isinstance(row, Finding):
                # A byte order mark is told beside the row it stands in.
                self.seen[side] += row.gate == "schema"
                if severity := self._settings.severity(row.gate):
                    yield replace(row, severity=severity, side=side)
                continue
            self.seen[side] += 1
            for problem in self.of_row(row, side):
                severity = self._settings.severity(problem.gate)
                if severity:
                    yield Finding(
                        problem.gate, severity, row.number, problem.message, problem.suggestion, side
                    )

    def of_row(self, row: Row, side: Side = "train") -> Iterator[Problem]:
        text = RowText.of(row)
        for judge in self._row_gates:
            yield from judge(row, text)
        yield from self._truncated[side].problems(row)
        self._scale[side].see(row, text)
        if side == "held_out":
            self._repeats.see_held_out(row)
            return
        self._distribution.see(row)
        if self._repeating:
            self._repeats.see(row)

    def at_the_end(self) -> Iterator[Finding]:
        """What only the whole set shows."""
        sides: tuple[Side, ...] = ("train", "held_out")
        for side in sides:
            yield from self._told(
                chain(self._truncated[side].at_the_end(), self._scale[side].at_the_end()), side
            )
        yield from self._told(self._distribution.at_the_end(), "train")
        yield from self._told(self._repeats.at_the_end(), "train")

    def _told(self, problems: Iterable[tuple[int, Problem]], side: Side) -> Iterator[Finding]:
        for row, problem in problems:
            if severity := self._settings.severity(problem.gate):
                yield Finding(problem.gate, severity, row, problem.message, problem.suggestion, side)
