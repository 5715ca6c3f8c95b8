"""Room on the disks for all that an addition will write, looked at before the first byte comes."""

import os
import shutil
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from hone_contracts.ollama_hosts import InvalidOllamaHost, parse_hosts
from hone_hub.adding.errors import NotEnoughDisk
from hone_hub.downloads.downloads import Wanted
from hone_hub.downloads.store import Store

_LOOPBACK = ("127.0.0.1", "localhost", "::1")


@dataclass(frozen=True)
class Writing:
    folder: Path
    size_bytes: int


def check(writings: Iterable[Writing], spare_bytes: int) -> None:
    """Folders on one disk share its room. Raises NotEnoughDisk."""
    by_disk: dict[int, list[Writing]] = defaultdict(list)
    for each in writings:
        there = _existing(each.folder)
        by_disk[there.stat().st_dev].append(Writing(there, each.size_bytes))
    for on_disk in by_disk.values():
        needed = sum(each.size_bytes for each in on_disk)
        free = shutil.disk_usage(on_disk[0].folder).free
        if needed and needed + spare_bytes > free:
            raise NotEnoughDisk(str(on_disk[0].folder), needed, free, spare_bytes)


def missing_bytes(downloads: Path, wanted: Wanted | None) -> int:
    """What of a repository's files is not on the disk yet."""
    if wanted is None:
        return 0
    store = Store(downloads, wanted.repository)
    return sum(file.size_bytes - store.here_bytes(file) for file in wanted.files)


def ollama_folder(hosts: str) -> Path | None:
    """Where a server on this machine keeps its models, as far as can be told; None when none is said to be here."""
    try:
        here = any(urlsplit(url).hostname in _LOOPBACK for url in parse_hosts(hosts))
    except InvalidOllamaHost:
        return None
    if not here:
        return None
    told = os.environ.get("OLLAMA_MODELS")
    folder = Path(told) if told else Path.home() / ".ollama" / "models"
    return folder if folder.is_dir() else None


def _existing(folder: Path) -> Path:
    return next(each for each in (folder, *folder.parents) if each.exists())
