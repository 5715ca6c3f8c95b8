"""A file under another name: a second name of the same where disks allow it, else a copy."""

import asyncio
import os
import shutil
from pathlib import Path

from hone_hub.work import Step
from hone_hub.worker_process import OnStep

_PIECE_BYTES = 4 << 20


async def take(source: Path, target: Path, size_bytes: int, tell: OnStep) -> bool:
    """Whether it had to be copied. Of the content nothing is promised: hash ``target``. Raises OSError."""
    if _linked(source, target):
        return False
    await _copied(source, target, size_bytes, tell)
    return True


def _linked(source: Path, target: Path) -> bool:
    """Not where the disks differ, or know no links. A download is a link itself: its content gets the name."""
    try:
        os.link(source.resolve(), target)
    except OSError:
        return False
    return True


async def _copied(source: Path, target: Path, size_bytes: int, tell: OnStep) -> None:
    done = 0
    with source.open("rb") as reading, target.open("xb") as writing:
        while piece := await asyncio.to_thread(reading.read, _PIECE_BYTES):
            await asyncio.to_thread(writing.write, piece)
            done += len(piece)
            await tell(Step(stage="copy", message=target.name, done=done, total=size_bytes))
        writing.flush()
        await asyncio.to_thread(os.fsync, writing.fileno())
    shutil.copymode(source, target)
