"""The difference of two files of lines, written along with the second: which line became which is known.

Without lines of context: `patch` and `git apply --unidiff-zero` take it.
"""

from __future__ import annotations

from typing import IO


class UnifiedDiff:
    def __init__(self, file: IO[bytes], old_name: str, new_name: str) -> None:
        self._file, self._names = file, (old_name, new_name)
        self._old_line = self._new_line = 0
        self.byte_order_mark = ""
        """Before the first row that comes; the new file has none."""

    def add(self, line: int, old: str, new: str | None) -> None:
        """Line ``line`` of the old file becomes ``new``, or nothing. Lines that were jumped over are empty."""
        removed = [""] * (line - self._old_line - 1)
        mark, self.byte_order_mark = self.byte_order_mark, ""
        if new is None or new != mark + old:
            self._write([*removed, mark + old], [] if new is None else [new])
        else:
            self._write(removed, [])
            self._old_line += 1
            self._new_line += 1

    def _write(self, removed: list[str], added: list[str]) -> None:
        if removed or added:
            if self._names[0]:
                self._lines(f"--- {self._names[0]}", f"+++ {self._names[1]}")
                self._names = ("", "")
            old_start = self._old_line + 1 if removed else self._old_line
            new_start = self._new_line + 1 if added else self._new_line
            self._lines(f"@@ -{old_start},{len(removed)} +{new_start},{len(added)} @@")
            self._lines(*(f"-{line}" for line in removed), *(f"+{line}" for line in added))
        self._old_line += len(removed)
        self._new_line += len(added)

    def _lines(self, *lines: str) -> None:
        for line in lines:
            self._file.write(line.encode("utf-8", "surrogateescape") + b"\n")
