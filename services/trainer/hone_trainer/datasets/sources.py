"""Where dataset files come from."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from hone_trainer.datasets.errors import NoSuchFile


def fetched(name: str, *, say: Callable[[str], None] = lambda _line: None) -> Path:
    """The file on this machine. Raises DatasetError."""
    path = Path(name.removeprefix("file://"))
    say("")
    if not path.exists():
        raise NoSuchFile(path)
    return path
