"""Text that the user names: a file, or `-` for stdin; and text written to a file."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from hone.cli.errors import WrongInput

# Far above what the server takes; it names its own limit. This only keeps a wrong file out of memory.
_LARGEST_BYTES = 16 << 20


def read_text(source: str) -> str:
    """Raises `WrongInput`."""
    name = "stdin" if source == "-" else source
    try:
        if source == "-":
            data = sys.stdin.buffer.read(_LARGEST_BYTES + 1)
        else:
            with Path(source).open("rb") as file:
                data = file.read(_LARGEST_BYTES + 1)
    except (OSError, ValueError) as error:  # ValueError: a NUL in the name
        why = error.strerror if isinstance(error, OSError) else error
        raise WrongInput(f"cannot read {name}: {why}") from error
    if len(data) > _LARGEST_BYTES:
        raise WrongInput(f"{name} is larger than {_LARGEST_BYTES >> 20} MiB; shorten it")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise WrongInput(f"{name} is not UTF-8 text (byte {error.start}); convert it first") from error


def write_text(out: Path, content: str, instead: str = "") -> None:
    """A file is there whole or not at all. What is no file (/dev/null, a pipe) is written to, never replaced.

    Raises `WrongInput`; `instead` says where else the content is.
    """
    text = content if content.endswith("\n") else content + "\n"
    target = Path(os.path.realpath(out))
    fresh = target.with_name(f".{target.name}.{os.getpid()}")
    try:
        if target.exists() and not target.is_file():
            target.write_text(text, "utf-8")
            return
        fresh.write_text(text, "utf-8")
        fresh.replace(target)
    except OSError as error:
        fresh.unlink(missing_ok=True)
        told = f"cannot write {out} ({error.strerror})"
        raise WrongInput(f"{told}; {instead}" if instead else told) from error
