"""Build Mermaid's grammar for node: ``python -m hone_generator.mermaid.build``.

Fetches about 46 MB through npm into a temporary folder and leaves one file of 5 MB. Does nothing when that is
current, unless told ``--force``.
"""

import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from hone_generator.mermaid import bundle
from hone_generator.mermaid.errors import MermaidUnavailable
from hone_generator.mermaid.node_runtime import node_executable, npm_command

_STEP_LIMIT_S = 600.0


class BuildFailed(Exception):
    """One step of the build failed."""

    def __init__(self, step: str, reason: str) -> None:
        super().__init__(f"could not build Mermaid's grammar: {step} failed: {reason}")
        self.step = step
        self.reason = reason


def build() -> None:
    """Write the bundle. Raises BuildFailed, or MermaidUnavailable where there is no node."""
    with tempfile.TemporaryDirectory(prefix="hone-mermaid-") as folder:
        project = Path(folder) / "node"
        shutil.copytree(bundle.PROJECT, project, ignore=shutil.ignore_patterns("node_modules"))
        _run("npm ci", [*npm_command(), "ci", "--loglevel=error"], project)
        _run("esbuild", [str(node_executable()), "bundle.mjs", "parser.mjs", bundle.banner()], project)
        bundle.BUNDLE.parent.mkdir(exist_ok=True)
        # In place at once, so that a build that is cut short or runs twice leaves no half of a file.
        finished = bundle.BUNDLE.with_suffix(f".{os.getpid()}.tmp")
        shutil.copyfile(project / "parser.mjs", finished)
        finished.replace(bundle.BUNDLE)


def _run(step: str, command: list[str], folder: Path) -> None:
    try:
        done = subprocess.run(
            command, cwd=folder, capture_output=True, text=True, timeout=_STEP_LIMIT_S, check=False
        )
    except subprocess.TimeoutExpired as error:
        raise BuildFailed(step, f"no end after {_STEP_LIMIT_S:g} s; check the network") from error
    except OSError as error:
        raise BuildFailed(step, str(error)) from error
    if done.returncode != 0:
        raise BuildFailed(step, _one_line(done.stderr or done.stdout) or f"exit code {done.returncode}")


def _one_line(output: str) -> str:
    """The lines that say what is wrong; npm closes with the path of a log file."""
    lines = [line.strip().removeprefix("npm error").strip() for line in output.splitlines()]
    return "; ".join(line for line in lines if line and "A complete log of this run" not in line)[:400]


def main(arguments: Sequence[str]) -> int:
    if bundle.is_current() and "--force" not in arguments:
        return 0
    started = time.monotonic()
    try:
        build()
    except (BuildFailed, MermaidUnavailable, OSError) as error:
        sys.stderr.write(f"{error}\n")
        return 1
    sys.stderr.write(f"built Mermaid's grammar in {time.monotonic() - started:.0f} s\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
