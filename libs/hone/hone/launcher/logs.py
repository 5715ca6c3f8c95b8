"""Log files: kept short, shown at their end, and watched for warnings."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator
from pathlib import Path

_KEPT = 3
_START_NEW_ABOVE_BYTES = 1 << 20
_CUT_ABOVE_BYTES = 32 << 20
_WARNING = re.compile(
    r'"level": ?"(?:warning|error|critical|exception)"|\b(?:WARNING|ERROR|CRITICAL)\b|\[(?:ERR|FTL)\]',
)


def rotate_at_start(log: Path) -> None:
    """Begin a new file when the old one has grown: log → log.1 → … → log.3."""
    if log.exists() and log.stat().st_size > _START_NEW_ABOVE_BYTES:
        _shift(log)
        log.rename(f"{log}.1")


def cut_when_long(log: Path) -> None:
    """The same under a running process, which keeps its descriptor (opened for appending): copy, then empty the file.

    Lines written between the two are lost; a full disk would lose more.
    """
    if log.exists() and log.stat().st_size > _CUT_ABOVE_BYTES:
        _shift(log)
        shutil.copyfile(log, f"{log}.1")
        with log.open("r+b") as file:
            file.truncate(0)


def last_lines(log: Path, count: int = 15) -> str:
    try:
        with log.open("rb") as file:
            file.seek(0, 2)
            file.seek(max(0, file.tell() - 64 * 1024))
            text = file.read().decode("utf-8", "replace")
    except FileNotFoundError:
        return ""
    return "\n".join(text.splitlines()[-count:])


class Warnings:
    """New lines of one log that a person at the terminal should see."""

    def __init__(self, log: Path) -> None:
        self._log = log
        self._read_to = log.stat().st_size if log.exists() else 0

    def new(self) -> Iterator[str]:
        size = self._log.stat().st_size if self._log.exists() else 0
        if size <= self._read_to:
            self._read_to = size  # cut, or nothing new
            return
        with self._log.open("rb") as file:
            file.seek(self._read_to)
            text = file.read(1 << 20)
        whole, newline, _ = text.rpartition(b"\n")
        self._read_to += len(whole) + len(newline)
        if not newline and len(text) == 1 << 20:
            self._read_to += len(text)  # a line of a megabyte is not for a terminal
        for line in whole.decode("utf-8", "replace").splitlines():
            if _WARNING.search(line):
                yield line[:2000]


def _shift(log: Path) -> None:
    for number in range(_KEPT - 1, 0, -1):
        older = Path(f"{log}.{number}")
        if older.exists():
            older.rename(f"{log}.{number + 1}")
