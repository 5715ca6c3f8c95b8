"""Folders that are there whole or not at all."""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def whole_or_not(target: Path, *, replace: bool = False) -> Iterator[Path]:
    """A folder that becomes ``target`` when all went well, and is gone otherwise; ``replace``: in the place of what
    was there."""
    folder = target.with_name(f".{target.name}.{os.getpid()}.part")
    folder.mkdir(parents=True)
    try:
        yield folder
        for path in [*folder.rglob("*"), folder]:
            _synced(path)
        if replace:
            shutil.rmtree(target, ignore_errors=True)
        folder.rename(target)
        _synced(target.parent)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _synced(path: Path) -> None:
    """To the disk: a name must not outlive a power cut that its content does not."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
