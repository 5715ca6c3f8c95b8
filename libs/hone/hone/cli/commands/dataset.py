"""`hone dataset`: training data. `check` works without a server."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import click

from hone.cli.answers import Document
from hone.cli.commands import dataset_kept
from hone.cli.errors import (
    FAILED,
    NOT_AUTHORISED,
    NOT_FOUND,
    UNAVAILABLE,
    USAGE,
    CliError,
    Unavailable,
    WrongInput,
)
from hone.cli.output import ProgressLine, json_option, plain, print_json, print_table

_EXIT_CODES = {
    "wrong_input": USAGE,
    "not_found": NOT_FOUND,
    "not_authorised": NOT_AUTHORISED,
    "unavailable": UNAVAILABLE,
}
_LONG_FILE_BYTES = 4 << 20  # a second's work: shorter ones show no progress


class DatasetProblem(CliError):
    """The trainer's own error about a file."""

    def __init__(self, error: Exception, kind: str) -> None:
        super().__init__(str(error))
        self.exit_code = _EXIT_CODES.get(kind, FAILED)


@click.group()
def dataset() -> None:
    """Training data: check and repair files; see the pool, and build datasets of it."""


for each in dataset_kept.COMMANDS:
    dataset.add_command(each)


@dataset.command()
@click.argument("file")
@click.option("--held-out", metavar="FILE", help="Rows that must not be trained on.")
@click.option(
    "--format", "format_name", metavar="F", help="messages, alpaca, sharegpt, text or kto; told from FILE."
)
@click.option(
    "--gate", "levels", multiple=True, metavar="NAME=LEVEL", help="error, warning or off; may be repeated."
)
@click.option(
    "--first", default=5, show_default=True, type=click.IntRange(0), help="Rows shown of each gate."
)
@click.option("--fix", "out", metavar="OUT", help="Write a repaired copy, and OUT.diff.")
@json_option
def check(
    *,
    file: str,
    held_out: str | None,
    format_name: str | None,
    levels: tuple[str, ...],
    first: int,
    out: str | None,
    as_json: bool,
) -> int:
    """Judge the training data in FILE (a path, s3://bucket/key, - for stdin). Exit code 1 when there are errors."""
    trainer = _trainer()
    try:
        document = _checked(trainer, file, held_out, format_name=format_name, levels=levels, out=out)
    except trainer.errors.DatasetError as error:
        raise DatasetProblem(error, error.kind) from error
    if as_json:
        print_json(document)
    else:
        _print(document, first)
    return 0 if document.get("fixed", document)["ok"] else FAILED


def _trainer() -> Any:
    """By name: the command line works without the trainer, and loads it only here."""
    names = ("files", "errors", "repair", "sources")
    try:
        modules = {name: importlib.import_module(f"hone_trainer.datasets.{name}") for name in names}
    except ModuleNotFoundError as error:
        missing = f"the trainer is not installed ({error.name} is missing); install hone-trainer"
        raise Unavailable(missing) from error
    return SimpleNamespace(**modules)


def _checked(
    trainer: Any,
    file: str,
    held_out: str | None,
    *,
    format_name: str | None,
    levels: tuple[str, ...],
    out: str | None,
) -> Document:
    told = trainer.files.format_named(format_name)
    if format_name and told is None:
        raise WrongInput(
            f'"{plain(format_name, 40)}" is no format; use one of {", ".join(trainer.files.FORMATS)}'
        )
    settings = trainer.files.settings_of(levels)
    if file == "-" and out:
        raise WrongInput("--fix reads FILE twice, which stdin cannot be; name a file")
    source, others = _source(trainer, file), _source(trainer, held_out) if held_out else None
    if out:
        trainer.repair.refuse_overwriting(
            Path(out), *(path for path in (source, others) if isinstance(path, Path))
        )
    with _Shown() as shown:
        checked = trainer.files.check_file(source, others, settings, told, shown.progress)
    document: Document = {"file": file, **checked.report.to_json()}
    if out:
        repaired, after = trainer.files.fix_file(
            source, Path(out), checked.plan, settings, held_out=others, format_name=told
        )
        document["fixed"] = {
            "file": str(repaired.out),
            "diff": str(repaired.diff),
            "ok": after.ok,
            "rows": repaired.kept,
            "changed": repaired.changed,
            "left_out": [{"row": each.row, "gate": each.gate, "why": each.why} for each in repaired.left_out],
            "errors": after.errors,
            "warnings": after.warnings,
        }
    return document


def _source(trainer: Any, name: str) -> Any:
    if name == "-":
        return sys.stdin.buffer
    with _Shown() as shown:
        return trainer.sources.fetched(name, say=shown.say)


class _Shown:
    """Progress of a long file, on stderr."""

    def __init__(self) -> None:
        self._line = ProgressLine()
        self._percent = -1

    def __enter__(self) -> _Shown:
        return self

    def __exit__(self, *_: object) -> None:
        self._line.end()

    def progress(self, done: int, size: int) -> None:
        percent = done * 100 // size if size else 100
        if size >= _LONG_FILE_BYTES and percent // 10 != self._percent // 10:
            self._percent = percent
            self._line.show(f"{percent} % read")

    def say(self, text: str) -> None:
        self._line.keep(text)


def _print(document: Document, first: int) -> None:
    held_out = f" and {document['held_out_rows']:,} held out" if document["held_out_rows"] else ""
    errors, warnings = document["errors"], document["warnings"]
    click.echo(
        f"{plain(document['file'])}: {document['rows']:,} rows{held_out}, {errors:,} errors, {warnings:,} warnings"
    )
    if document["gates"]:
        print_table(
            ["gate", "errors", "warnings"],
            [
                (gate, f"{found['error']:,}", f"{found['warning']:,}")
                for gate, found in document["gates"].items()
            ],
        )
    for gate, found in document["gates"].items():
        click.echo(f"\n{gate}")
        rows = [finding for finding in document["findings"] if finding["gate"] == gate]
        for finding in rows[:first]:
            click.echo("  " + plain(f"{_where(finding)}: {finding['message']}: {finding['suggestion']}", 400))
        more = found["error"] + found["warning"] - len(rows[:first])
        if more:
            click.echo(f"  and {more:,} more; --first {len(rows[:first]) + more} or --json shows them")
    if fixed := document.get("fixed"):
        _print_fixed(fixed, first)


def _where(finding: Document) -> str:
    side = "held-out " if finding["side"] == "held_out" else ""
    return f"{side}row {finding['row']:,}" if finding["row"] else f"{side or 'all '}rows"


def _print_fixed(fixed: Document, first: int) -> None:
    changed, left_out = len(fixed["changed"]), len(fixed["left_out"])
    click.echo(
        f"\n{plain(fixed['file'])}: {fixed['rows']:,} rows, {changed:,} of them repaired, {left_out:,} left out; "
        f"{fixed['errors']:,} errors and {fixed['warnings']:,} warnings stay. {plain(Path(fixed['diff']).name)} has "
        "the difference"
    )
    shown = fixed["left_out"][:first]
    for each in shown:
        click.echo("  " + plain(f"left out: row {each['row']:,} ({each['gate']}): {each['why']}", 400))
    if left_out > len(shown):
        click.echo(f"  and {left_out - len(shown):,} more; --json names them")
