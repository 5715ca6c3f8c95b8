"""A page of the documentation as its reader follows it: each command of its `sh` blocks, in order, in a shell."""

import os
import re
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).parents[2]
_BLOCK = re.compile(r"^```sh\n(.*?)^```$", re.MULTILINE | re.DOTALL)


@dataclass(frozen=True)
class Section:
    """``commands`` as they stand in the page, lines that go on joined."""

    heading: str
    commands: tuple[str, ...]


def sections(page: Path) -> list[Section]:
    """Those that have commands."""
    parts = re.split(r"^## (.+)$", page.read_text("utf-8"), flags=re.MULTILINE)
    found = [
        Section(heading, tuple(_commands(text)))
        for heading, text in zip(parts[1::2], parts[2::2], strict=True)
    ]
    return [section for section in found if section.commands]


def _commands(text: str) -> list[str]:
    blocks = (match[1].replace("\\\n", " ") for match in _BLOCK.finditer(text))
    return [line for block in blocks for line in block.splitlines() if line.strip()]


@dataclass(frozen=True)
class Said:
    command: str
    out: str
    err: str


@dataclass
class Shell:
    """Where the reader types: the repository's folder, with ``hone`` on the path. What ends in ``&`` goes on."""

    environment: Mapping[str, str]
    waiting: list["subprocess.Popen[str]"] = field(default_factory=list)

    def run(self, command: str, timeout_s: float) -> Said:
        """Fails as the shell does: with what was said."""
        if command.rstrip().endswith("&"):
            self.waiting.append(self._start(command.rstrip().removesuffix("&")))
            return Said(command, "", "")
        process = self._start(command)
        try:
            out, err = process.communicate(timeout=timeout_s)
        except subprocess.TimeoutExpired:
            process.kill()
            out, err = process.communicate()
            raise AssertionError(f"`{command}` goes on after {timeout_s:g} s:\n{out}\n{err}") from None
        assert process.returncode == 0, f"`{command}` ends with {process.returncode}:\n{out}\n{err}"
        return Said(command, out, err)

    def ended(self, timeout_s: float) -> Said:
        """What the oldest command that went on said."""
        process = self.waiting.pop(0)
        out, err = process.communicate(timeout=timeout_s)
        assert process.returncode == 0, f"{process.args!r} ends with {process.returncode}:\n{out}\n{err}"
        return Said(str(process.args), out, err)

    def close(self) -> None:
        for process in self.waiting:
            process.kill()
            process.communicate()

    def _start(self, command: str) -> "subprocess.Popen[str]":
        path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
        return subprocess.Popen(
            ["bash", "-c", f"set -euo pipefail; {command}"], cwd=ROOT, env={**self.environment, "PATH": path},
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        )  # fmt: skip
