"""Ruff's findings on a piece of code: the real linter, in a process of its own, within bounds.

Hostile code can make it overflow its stack, write megabytes, or take its time; it costs its process alone.
"""

import re
import subprocess
import tempfile
import threading
from dataclasses import dataclass
from functools import lru_cache
from typing import IO

from ruff import find_ruff_bin

TIME_LIMIT_S = 10.0
_MOST_OUTPUT_BYTES = 200_000

# What is wrong in any code; what it is called and documented by; what is dangerous.
FAULTS = ("E9", "F", "B", "PLE", "S102", "S301", "S307", "S602", "S605", "ASYNC")
CONVENTIONS = ("N8", "D100", "D101", "D102", "D103", "ANN001", "ANN201", "ANN202", "E7", "W291", "W6")
_IGNORED = (
    "F401",
    "B027",
    "B024",
)  # an import too many hurts nobody; abstract classes are told by the structure check
_FINDING = re.compile(r"artifact\.py:(\d+):\d+: (?:([A-Z]+\d+)|invalid-syntax:?)\s*(?:\[\*\] )?(.*)")


class LintFailed(Exception):
    """Ruff gave no verdict on this code; ``reason`` says how it ended."""

    def __init__(self, reason: str) -> None:
        super().__init__(f"the code could not be checked: {reason}; make it simpler")
        self.reason = reason


@dataclass(frozen=True, slots=True)
class Finding:
    """What ruff says of a line (from 1); ``code`` is empty for what does not parse."""

    line: int
    code: str
    message: str

    @property
    def is_convention(self) -> bool:
        return self.code.startswith(CONVENTIONS)


@lru_cache(maxsize=32)
def lint(code: str) -> tuple[Finding, ...]:
    """All findings in the order of the code, at most what fits `_MOST_OUTPUT_BYTES`. Raises LintFailed. Remembered,
    since several validators ask about the same code."""
    command = (
        find_ruff_bin(), "check", "--isolated", "--no-cache", "--quiet", "--output-format", "concise",
        "--target-version", "py311", "--select", ",".join((*FAULTS, *CONVENTIONS)), "--ignore", ",".join(_IGNORED),
        "--stdin-filename", "artifact.py", "-",
    )  # fmt: skip
    # A file, not a pipe: nobody has to write while the other reads.
    with tempfile.TemporaryFile() as source:
        source.write(code.encode("utf-8", "replace"))
        source.seek(0)
        output, status = _run(command, source)
    if status not in (0, 1):
        raise LintFailed(f"ruff ended with {status}")
    return tuple(_findings(output))


def _run(command: tuple[str, ...], source: IO[bytes]) -> tuple[str, int]:
    """Output up to its bound, and the exit status; raises LintFailed past the time limit."""
    overdue = threading.Event()
    with subprocess.Popen(
        command,
        stdin=source,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        env={},
        cwd=tempfile.gettempdir(),
    ) as process:
        assert process.stdout is not None

        def end() -> None:
            overdue.set()
            process.kill()

        timer = threading.Timer(TIME_LIMIT_S, end)
        timer.start()
        try:
            output = process.stdout.read(_MOST_OUTPUT_BYTES)
            cut = bool(process.stdout.read(1))
            if cut:
                process.kill()
            status = process.wait()
        finally:
            timer.cancel()
    if overdue.is_set():
        raise LintFailed(f"ruff needed over {TIME_LIMIT_S:g} s")
    return output.decode("utf-8", "replace"), 1 if cut else status


def _findings(output: str) -> list[Finding]:
    matches = (_FINDING.fullmatch(line) for line in output.splitlines())
    return [Finding(int(found[1]), found[2] or "", found[3]) for found in matches if found]
