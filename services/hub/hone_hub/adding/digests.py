"""Digests of large files, told of as they go, that end at once when the job does."""

import asyncio
import hashlib
from collections.abc import Sequence
from pathlib import Path

from hone_hub.errors import FileUnreadable
from hone_hub.work import Step
from hone_hub.worker_process import OnStep

_PIECE_BYTES = 16 << 20


async def sha256_of(paths: Sequence[Path], tell: OnStep) -> list[str]:
    """In the order of the files. Raises FileUnreadable."""
    try:
        total = sum(path.stat().st_size for path in paths)
    except OSError as error:
        raise FileUnreadable(paths[0], error) from error
    done, found = 0, []
    for path in paths:
        digest = hashlib.sha256()
        try:
            with path.open("rb") as file:
                while piece := await asyncio.to_thread(file.read, _PIECE_BYTES):
                    await asyncio.to_thread(digest.update, piece)
                    done += len(piece)
                    await tell(Step(stage="digest", message=path.name, done=done, total=total))
        except OSError as error:
            raise FileUnreadable(path, error) from error
        found.append(digest.hexdigest())
    return found
