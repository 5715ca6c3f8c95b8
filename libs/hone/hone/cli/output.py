"""What commands print: one JSON document, or text that cannot take over the terminal."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Sequence
from typing import Any

import click

json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON instead of text.")

# Everything that moves the cursor, recolours, or forges a line. What comes from a server or a model may hold it.
_CONTROLS = {code: None for code in (*range(32), *range(127, 160)) if code not in (9, 10)}


def plain(value: object, longest: int = 2000) -> str:
    """One line without control characters; `None` is empty."""
    text = " ".join(("" if value is None else str(value)).split())
    return text.translate(_CONTROLS)[:longest]


def say(line: str) -> None:
    """A line for the person at the terminal, not for the pipe."""
    click.echo(plain(line), err=True)


def print_json(document: Any) -> None:
    """One document; a stream prints one a line (NDJSON)."""
    click.echo(json.dumps(document, ensure_ascii=False))


def print_content(text: str) -> None:
    """An artifact: byte for byte into a pipe, without control characters on a terminal."""
    click.echo(text.translate(_CONTROLS) if sys.stdout.isatty() else text, nl=not text.endswith("\n"))


def print_table(headings: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    lines = [list(headings), *([plain(cell, 80) for cell in row] for row in rows)]
    widths = [max(len(line[column]) for line in lines) for column in range(len(headings))]
    for line in lines:
        cells = (cell.ljust(width) for cell, width in zip(line, widths, strict=True))
        click.echo("  ".join(cells).rstrip())


class ProgressLine:
    """What is going on, on stderr: rewritten in place on a terminal, otherwise a line whenever it changes."""

    def __init__(self) -> None:
        self._live = sys.stderr.isatty()
        self._shown = ""

    def show(self, text: str) -> None:
        line = plain(text, 100)
        if not line or line == self._shown:
            return
        self._shown = line
        click.echo(f"\r\x1b[K{line}" if self._live else line, nl=not self._live, err=True)

    def end(self) -> None:
        if self._live and self._shown:
            click.echo("\r\x1b[K", nl=False, err=True)
        self._shown = ""
