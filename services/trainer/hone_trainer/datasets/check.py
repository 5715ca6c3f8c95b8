"""All gates over a set of rows, in one pass and memory for the signatures of its texts."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
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
    by_row, by_set = RowGates(settings), SetGates(settings)
    sides: tuple[tuple[Side, Rows], ...] = (("train", rows), ("held_out", held_out or ()))
    for side, its_rows in sides:
        for item in its_rows:
            text = RowText.of(item) if isinstance(item, Row) else None
            report.add(by_row.see(item, text, side))
            by_set.see(item, text, side)
    report.add(by_row.at_the_end())
    report.add(by_set.at_the_end())
    report.rows, report.held_out_rows = by_set.seen["train"], by_set.seen["held_out"]
    return report


class RowGates:
    """What a row shows by itself, and what the style of all answers makes of its end."""

    def __init__(self, settings: GateSettings) -> None:
        self._settings = settings
        self._judges = [judge for gate, judge in _ROW_GATES if settings.severity(gate)]
        self._truncated: dict[Side, Truncated] = {
            "train": Truncated(settings),
            "held_out": Truncated(settings),
        }

    def see(self, item: Row | Finding, text: RowText | None, side: Side = "train") -> Iterator[Finding]:
        """``text`` is the row's; what could not be read as a row has none."""
        if isinstance(item, Finding):
            if severity := self._settings.severity(item.gate):
                yield replace(item, severity=severity, side=side)
        elif text is not None:
            for problem in self.problems(item, text, side):
                yield from found(self._settings, item.number, problem, side)

    def problems(self, row: Row, text: RowText, side: Side = "train") -> Iterator[Problem]:
        for judge in self._judges:
            yield from judge(row, text)
        yield from self._truncated[side].problems(row)

    def at_the_end(self) -> Iterator[Finding]:
        for side, truncated in self._truncated.items():
            for row, problem in truncated.at_the_end():
                yield from found(self._settings, row, problem, side)


class SetGates:
    """What only the rows together show."""

    def __init__(self, settings: GateSettings) -> None:
        self._settings = settings
        self._repeats = Repeats(settings)
        self._distribution = Distribution(settings)
        self._scale: dict[Side, Scale] = {"train": Scale(settings), "held_out": Scale(settings)}
        self._repeating = any(settings.severity(gate) for gate in ("duplicates", "contradictions", "leakage"))
        self.seen: dict[Side, int] = {"train": 0, "held_out": 0}

    @property
    def edits(self) -> dict[int, list[Edit]]:
        """Repairs of figures, by row, when all rows were seen."""
        return self._scale["train"].edits if self._settings.severity("scale") else {}

    def see(self, item: Row | Finding, text: RowText | None, side: Side = "train") -> None:
        # A byte order mark is told beside the row that it stands in; other findings are rows that cannot be read.
        self.seen[side] += not isinstance(item, Finding) or item.gate == "schema"
        if isinstance(item, Finding) or text is None:
            return
        self._scale[side].see(item, text)
        if side == "train":
            self._distribution.see(item)
        if self._repeating:
            self._repeats.see(item, text, held_out=side == "held_out")

    def at_the_end(self) -> Iterator[Finding]:
        for side, scale in self._scale.items():
            for row, problem in scale.at_the_end():
                yield from found(self._settings, row, problem, side)
        for gate in (self._distribution, self._repeats):
            for row, problem in gate.at_the_end():
                yield from found(self._settings, row, problem, "train")


def found(settings: GateSettings, row: int, problem: Problem, side: Side) -> Iterator[Finding]:
    """Nothing when the gate is off."""
    if severity := settings.severity(problem.gate):
        yield Finding(problem.gate, severity, row, problem.message, problem.suggestion, side)
