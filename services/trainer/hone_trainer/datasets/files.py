"""A dataset file judged, and repaired: what `hone dataset check` does."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, get_args

from pydantic import ValidationError

from hone_trainer.datasets.check import SetGates
from hone_trainer.datasets.errors import DatasetError, NoSuchFile, Unreadable
from hone_trainer.datasets.findings import GATES, Finding, Report
from hone_trainer.datasets.formats import FORMATS, Format, read
from hone_trainer.datasets.repair import Plan, Repaired, plan_of, repair
from hone_trainer.datasets.rows import Row
from hone_trainer.datasets.settings import GateSettings, Level

Progress = Callable[[int, int], None]
"""Bytes read, and bytes there are."""

_ROWS_BETWEEN = 1000


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
    """Raises DatasetError."""
    gates = SetGates(settings)
    report = Report(settings.most_findings_kept)
    plan = Plan({}, {})
    rows = _followed(source, format_name, progress)
    others = read(held_out) if held_out is not None else None
    for told in plan_of(gates, rows, others):
        if isinstance(told, Finding):
            report.add([told])
        else:
            plan = told
    report.rows, report.held_out_rows = gates.seen["train"], gates.seen["held_out"]
    return Checked(report, plan)


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
