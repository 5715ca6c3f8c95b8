"""Files that were fetched, by the address and the version (ETag) they came from."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import IO


def usual_folder() -> Path:
    """As the XDG Base Directory Specification has it."""
    caches = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(caches) / "hone" / "datasets"


@dataclass(frozen=True, slots=True)
class LocalCopy:
    path: Path
    etag: str


class LocalCopies:
    """One file per address and version, and beside them which version is the latest of an address."""

    def __init__(self, folder: Path | None = None) -> None:
        self._folder = folder or usual_folder()

    def of(self, address: str) -> LocalCopy | None:
        """The latest that was fetched whole."""
        try:
            told = json.loads(self._latest(address).read_text(encoding="utf-8"))
            copy = LocalCopy(self._folder / Path(str(told["file"])).name, str(told["etag"]))
        except (OSError, ValueError, KeyError, TypeError):
            return None  # there is none, or it was written by half: it is fetched again
        return copy if copy.path.is_file() else None

    def writing(self) -> IO[bytes]:
        """A file that `keep` takes over, or that is gone when it is closed."""
        self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        return NamedTemporaryFile("wb", dir=self._folder, prefix=".part-", delete=False)

    def keep(self, part: Path, address: str, etag: str) -> Path:
        suffix = Path(address).suffix[:20]
        target = self._folder / (sha256(f"{address}\n{etag}".encode()).hexdigest()[:32] + suffix)
        part.replace(target)
        latest = part.with_suffix(".json")
        latest.write_text(
            json.dumps({"address": address, "etag": etag, "file": target.name}), encoding="utf-8"
        )
        latest.replace(self._latest(address))
        return target

    def _latest(self, address: str) -> Path:
        return self._folder / (sha256(address.encode()).hexdigest()[:32] + ".latest")
