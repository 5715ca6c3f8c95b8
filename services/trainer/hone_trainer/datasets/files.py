"""A dataset file judged, and repaired: what `hone dataset check` does."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path
from typing import Any, BinaryIO, get_args

from pydantic import ValidationError

from hone_trainer.datasets.check import RowGates, SetGates, Side
from hone_trainer.datasets.errors import DatasetError, NoSuchFile, Unreadable
from hone_trainer.datasets.findings import GATES, Finding, Report
from hone_trainer.datasets.formats import FORMATS, Format, read
from hone_trainer.datasets.repair import Plan, Repaired, plan_of, repair
from hone_trainer.datasets.row_text import RowText
from hone_trainer.datasets.rows import Row
from hone_trainer.datasets.settings import GateSettings, Level

Progress = Callable[[int, int], None]
"""Bytes read, and bytes there are."""

_ROWS_BETWEEN = 1000
_LONG_FILE_BYTES = 8 << 20  # from there on another process is worth its start


class UnknownLevel(DatasetError):
    def __init__(self, told: str) -> None:
        super().__init__(
            f'"{told}" is no level of a gate; write NAME=LEVEL with a name of {", ".join(GATES)} and a level of '
            f"{', '.join(get_args(Level))}"
        )
        self.told = told


@dataclass(frozen=True, slots=True)
class Checked:
    report: Report
    plan: Plan


def settings_of(levels: tuple[str, ...]) -> GateSettings:
    """From texts as in ``duplicates=error``. Raises UnknownLevel."""
    gates: dict[str, Any] = {}
    for told in levels:
        name, _, level = told.partition("=")
        gates[name] = level
        try:
            GateSettings(gates={name: level})
        except ValidationError:
            raise UnknownLevel(told) from None
    return GateSettings(gates=gates)


def format_named(name: str | None) -> Format | None:
    return next((known for known in FORMATS if known == name), None)


def check_file(
    source: Path | BinaryIO,
    held_out: Path | None,
    settings: GateSettings,
    format_name: Format | None = None,
    progress: Progress = lambda _done, _all: None,
) -> Checked:
    """Raises DatasetError. A long file is read by two processes, one for the rows and one for the set."""
    report = Report(settings.most_findings_kept)
    by_set = SetGates(settings)
    with ExitStack() as stack:
        other: Future[tuple[list[Finding], list[Finding]]] | None = None
        by_row = RowGates(settings)
        if isinstance(source, Path) and source.is_file() and source.stat().st_size >= _LONG_FILE_BYTES:
            pool = stack.enter_context(ProcessPoolExecutor(1, get_context("spawn"), _end_at_interrupts))
            other = pool.submit(findings_by_row, source, held_out, settings, format_name)
        for item, text, side in _both(source, held_out, format_name, progress):
            if other is None:
                report.add(by_row.see(item, text, side))
            by_set.see(item, text, side)
        found, style = ([], list(by_row.at_the_end())) if other is None else other.result()
    report.add(found)
    report.add(style)
    together = list(by_set.at_the_end())
    report.add(together)
    report.rows, report.held_out_rows = by_set.seen["train"], by_set.seen["held_out"]
    return Checked(report, plan_of([*style, *together], by_set.edits))


def _end_at_interrupts() -> None:
    """At once and without a word: the other process tells it."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def findings_by_row(
    source: Path, held_out: Path | None, settings: GateSettings, format_name: Format | None
) -> tuple[list[Finding], list[Finding]]:
    """Those of single rows, and those that the style of all answers shows."""
    by_row = RowGates(settings)
    found: list[Finding] = []
    for item, text, side in _both(source, held_out, format_name, lambda _done, _all: None):
        found += by_row.see(item, text, side)
    return found, list(by_row.at_the_end())


def _both(
    source: Path | BinaryIO, held_out: Path | None, format_name: Format | None, progress: Progress
) -> Iterator[tuple[Row | Finding, RowText | None, Side]]:
    sides: tuple[tuple[Side, Path | BinaryIO | None], ...] = (("train", source), ("held_out", held_out))
    for side, its_source in sides:
        if its_source is None:
            continue
        told = format_name if side == "train" else None
        for item in _followed(its_source, told, progress):
            yield item, RowText.of(item) if isinstance(item, Row) else None, side


def fix_file(
    path: Path,
    out: Path,
    plan: Plan,
    settings: GateSettings,
    *,
    held_out: Path | None = None,
    format_name: Format | None = None,
) -> tuple[Repaired, Report]:
    """The copy, and what the gates say about it. Raises DatasetError."""
    repaired = repair(path, out, plan, settings, format_name)
    return repaired, check_file(out, held_out, settings, format_name).report


def _followed(
    source: Path | BinaryIO, format_name: Format | None, progress: Progress
) -> Iterator[Row | Finding]:
    if not isinstance(source, Path):
        yield from read(source, format_name)
        return
    try:
        file = source.open("rb", buffering=0)
    except FileNotFoundError:
        raise NoSuchFile(source) from None
    except (OSError, ValueError) as error:
        raise Unreadable(source, getattr(error, "strerror", None) or str(error)) from error
    with file:
        size = source.stat().st_size
        for count, item in enumerate(read(file, format_name)):
            if count % _ROWS_BETWEEN == 0:
                progress(file.tell(), size)
            yield item
