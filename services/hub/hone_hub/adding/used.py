"""What of the hub's disk belongs to models, and the removal of what nobody needs any more."""

import asyncio
import shutil
from collections.abc import Iterable
from pathlib import Path

from pydantic import BaseModel, ConfigDict

from hone_hub.adding.holding import Holding
from hone_hub.downloads.downloads import Downloads


class Used(BaseModel):
    """Files of a repository, a folder of what was converted. What is not kept goes once the model is served."""

    model_config = ConfigDict(frozen=True)

    repository: str = ""
    revision: str = ""
    files: tuple[str, ...] = ()
    converted: str = ""
    keep_download: bool = False
    keep_converted: bool = False

    @property
    def keys(self) -> tuple[tuple[str, str], ...]:
        """Under which jobs hold it."""
        return tuple(
            (kind, name)
            for kind, name in (("download", self.repository), ("converted", self.converted))
            if name
        )


class Tidying:
    """``converted`` is the folder of all that is converted."""

    def __init__(self, converted: Path, downloads: Downloads, holding: Holding) -> None:
        self._converted, self._downloads, self._holding = converted, downloads, holding

    async def tidy(self, used: Used, others: Iterable[Used]) -> bool:
        """Remove what ``used`` does not keep and ``others`` do not use. False where a job is at work on it."""
        if any(self._holding.is_used(key) for key in used.keys):
            return False
        await self.remove(used, others)
        return True

    async def remove(self, used: Used, others: Iterable[Used]) -> int:
        """Bytes freed."""
        freed, beside = 0, list(others)
        if used.converted and not any(
            each.converted == used.converted and each.keep_converted for each in (used, *beside)
        ):
            freed += await asyncio.to_thread(_removed, self._converted / used.converted)
        if used.repository and not used.keep_download:
            kept = [each for each in beside if each.repository == used.repository and each.keep_download]
            keep = [file for each in kept for file in each.files]
            freed += await self._downloads.remove(used.repository, None, keep)
        return freed


def _removed(folder: Path) -> int:
    if not folder.is_dir():
        return 0
    # A file that a provider has as another name of the same is not freed.
    freed = sum(stat.st_size for each in folder.iterdir() if (stat := each.stat()).st_nlink == 1)
    shutil.rmtree(folder, ignore_errors=True)
    return freed
