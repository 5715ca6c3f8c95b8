"""What commands print: one JSON document, or text that cannot take over the terminal."""

from __future__ import annotations

import json
import shutil
import sys
import time
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import Any

import click

json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON instead of text.")

# Everything that moves the cursor, recolours, turns the direction of what follows, or forges a line. What comes from
# a server or a model may hold it.
_DIRECTIONS = (0x061C, 0x200E, 0x200F, *range(0x202A, 0x202F), *range(0x2066, 0x206A))
_CONTROLS = {code: None for code in (*range(32), *range(127, 160), *_DIRECTIONS) if code not in (9, 10)}
_LONGEST_CELL, _LONGEST_LAST_CELL = 80, 200
_PAUSE_IN_LOGS_S = 5.0


def plain(value: object, longest: int = 2000) -> str:
    """One line without control characters; `None` is empty."""
    text = " ".join(("" if value is None else str(value)).split())
    return text.translate(_CONTROLS)[:longest]


def moment(value: object) -> str:
    """A time of the server's to the second, `2026-01-01T00:00:00Z`; anything else as it is."""
    try:
        told = datetime.fromisoformat(str(value))
    except ValueError:
        return plain(value)
    return told.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def say(line: str) -> None:
    """A line for the person at the terminal, not for the pipe. It keeps its indentation."""
    indent = len(line) - len(line.lstrip(" "))
    click.echo(" " * indent + plain(line), err=True)


def print_json(document: Any) -> None:
    """One document; a stream prints one a line (NDJSON)."""
    click.echo(json.dumps(document, ensure_ascii=False))


def print_content(text: str) -> None:
    """An artifact: byte for byte into a pipe, without control characters on a terminal."""
    click.echo(text.translate(_CONTROLS) if sys.stdout.isatty() else text, nl=not text.endswith("\n"))


def print_table(headings: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """Aligned columns; the last one, where free text stands, may be longer than the others."""
    limits = [_LONGEST_CELL] * (len(headings) - 1) + [_LONGEST_LAST_CELL]
    lines = [list(headings)]
    lines += [[plain(cell, limit) for cell, limit in zip(row, limits, strict=True)] for row in rows]
    widths = [max(len(line[column]) for line in lines) for column in range(len(headings))]
    for line in lines:
        cells = (cell.ljust(width) for cell, width in zip(line, widths, strict=True))
        click.echo("  ".join(cells).rstrip())


class ProgressLine:
    """What is going on, on stderr: rewritten in place on a terminal, otherwise a line whenever it changes."""

    def __init__(self) -> None:
        self._live = sys.stderr.isatty()
        self._shown = ""
        self._counting, self._counted_at = "", 0.0

    def show(self, text: str, counting: str = "") -> None:
        """``counting``: what moves on by itself, such as `download`. A log gets a line of it now and then."""
        # What wraps cannot be rewritten.
        line = plain(text, min(100, shutil.get_terminal_size().columns - 1) if self._live else 100)
        if not line or line == self._shown or (not self._live and self._too_soon(counting)):
            return
        self._shown = line
        click.echo(f"\r\x1b[K{line}" if self._live else line, nl=not self._live, err=True)

    def _too_soon(self, counting: str) -> bool:
        now = time.monotonic()
        if counting and counting == self._counting and now < self._counted_at + _PAUSE_IN_LOGS_S:
            return True
        self._counting, self._counted_at = counting, now
        return False

    def keep(self, text: str) -> None:
        """A line that stays when others follow."""
        self.end()
        say(text)

    def end(self) -> None:
        if self._live and self._shown:
            click.echo("\r\x1b[K", nl=False, err=True)
        self._shown = ""
