"""A repaired copy of a file, and the difference to it. The file itself is never touched.

Repaired: figures of a wrong scale, broken encodings, control tokens, secrets. Left out: duplicates, rows that are in
the held-out set too, and what still has an error afterwards.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import IO

from hone_trainer.datasets.check import RowGates
from hone_trainer.datasets.control_tokens import neutralised
from hone_trainer.datasets.encoding import cleaned
from hone_trainer.datasets.errors import NotRepresentable, WouldOverwrite
from hone_trainer.datasets.findings import Finding, Gate
from hone_trainer.datasets.formats import Format, Layout, detect, opened, record_text, rows_of
from hone_trainer.datasets.row_text import RowText
from hone_trainer.datasets.rows import Row, Turn
from hone_trainer.datasets.scale import Edit
from hone_trainer.datasets.secrets import redacted
from hone_trainer.datasets.settings import GateSettings
from hone_trainer.datasets.unified_diff import UnifiedDiff

_LEAVE_OUT: frozenset[Gate] = frozenset({"duplicates", "leakage"})
_TEXT_REPAIRS = (("encoding", cleaned), ("control_tokens", neutralised), ("secrets", redacted))


@dataclass(frozen=True, slots=True)
class LeftOut:
    row: int
    gate: Gate
    why: str


@dataclass(slots=True)
class Repaired:
    out: Path
    diff: Path
    kept: int = 0
    changed: list[int] = field(default_factory=list)
    left_out: list[LeftOut] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Plan:
    """What a first pass over all rows has decided."""

    leave_out: dict[int, LeftOut]
    edits: dict[int, list[Edit]]


def repair(
    path: Path, out: Path, plan: Plan, settings: GateSettings, format_name: Format | None = None
) -> Repaired:
    """Writes ``out`` as JSON lines, and ``out.diff``. Raises WouldOverwrite."""
    refuse_overwriting(out, path)
    diff_path = diff_of(out)
    repaired = Repaired(out, diff_path)
    mender = Mender(plan, settings)
    # The difference holds what was taken out, secrets too: it is for its owner alone.
    with opened(path) as stream, _replacing(out) as copy, _replacing(diff_path, 0o600) as diff_file:
        layout = detect(stream, format_name)
        diff = UnifiedDiff(diff_file, str(path), str(out))
        place = 0
        for raw, item in rows_of(stream, layout):
            if isinstance(item, Finding) and item.gate == "encoding":
                diff.byte_order_mark = "\ufeff"  # at the beginning of the first row, which comes next
                continue
            place = item.row if isinstance(item, Finding) else item.number
            old = _old_text(raw, item, layout)
            new = _mended_text(old, item, mender, layout, repaired)
            diff.add(place, old, new)
            if new is not None:
                copy.write(_encoded(new) + b"\n")
                repaired.kept += 1
    return repaired


def plan_of(findings: Iterable[Finding], edits: dict[int, list[Edit]]) -> Plan:
    """From what the whole set shows."""
    leave_out: dict[int, LeftOut] = {}
    for finding in findings:
        if finding.side == "train" and finding.row and _decides(finding):
            leave_out.setdefault(finding.row, LeftOut(finding.row, finding.gate, finding.message))
    return Plan(leave_out, edits)


def _decides(finding: Finding) -> bool:
    """What only the set shows and no repair mends; the rest is judged again after its repair."""
    return finding.gate in _LEAVE_OUT or (
        finding.severity == "error" and finding.gate in {"truncated", "contradictions"}
    )


def _mended_text(
    old: str, item: Row | Finding, mender: Mender, layout: Layout, repaired: Repaired
) -> str | None:
    """None: it is left out."""
    if isinstance(item, Finding):
        repaired.left_out.append(LeftOut(item.row, item.gate, item.message))
        return None
    mended = mender.mended(item)
    if isinstance(mended, LeftOut):
        repaired.left_out.append(mended)
        return None
    if mended.turns == item.turns:
        return old
    try:
        new = record_text(mended, layout.format)
    except NotRepresentable as error:
        repaired.left_out.append(LeftOut(item.number, "schema", str(error)))
        return None
    repaired.changed.append(item.number)
    return new


class Mender:
    def __init__(self, plan: Plan, settings: GateSettings) -> None:
        self._plan, self._settings = plan, settings

    def mended(self, row: Row) -> Row | LeftOut:
        if row.number in self._plan.leave_out:
            return self._plan.leave_out[row.number]
        turns = _edited(row.turns, self._plan.edits.get(row.number, ()))
        for gate, mend in _TEXT_REPAIRS:
            if self._settings.severity(gate):  # type: ignore[arg-type]
                turns = tuple(replace(turn, content=mend(turn.content)) for turn in turns)
        mended = replace(row, turns=turns)
        for problem in RowGates(self._settings).problems(mended, RowText.of(mended)):
            if self._settings.severity(problem.gate) == "error":
                return LeftOut(row.number, problem.gate, problem.message)
        return mended


def _edited(turns: Sequence[Turn], edits: Sequence[Edit]) -> tuple[Turn, ...]:
    contents = [turn.content for turn in turns]
    for edit in sorted(edits, key=lambda edit: edit.start, reverse=True):
        text = contents[edit.turn]
        contents[edit.turn] = text[: edit.start] + edit.new + text[edit.end :]
    return tuple(replace(turn, content=text) for turn, text in zip(turns, contents, strict=True))


def _old_text(raw: str, item: Row | Finding, layout: Layout) -> str:
    """The row as a line: as it is in a file of lines, and otherwise as it would be in one."""
    if layout.container == "lines" or isinstance(item, Finding):
        return raw.replace("\n", " ")
    return record_text(item, layout.format)


def _encoded(text: str) -> bytes:
    return text.encode("utf-8", "surrogateescape")


def diff_of(out: Path) -> Path:
    return out.with_name(out.name + ".diff")


def refuse_overwriting(out: Path, *read_files: Path) -> None:
    """Raises WouldOverwrite when the copy or the difference is a file that is read."""
    for target in (out, diff_of(out)):
        for path in read_files:
            if target.resolve() == path.resolve() or (
                target.exists() and path.exists() and target.samefile(path)
            ):
                raise WouldOverwrite(target, path)


@contextmanager
def _replacing(path: Path, mode: int = 0o644) -> Iterator[IO[bytes]]:
    """The file is there when it is whole."""
    descriptor, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    try:
        with os.fdopen(descriptor, "wb") as file:
            yield file
        Path(name).chmod(mode)
        Path(name).replace(path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise
