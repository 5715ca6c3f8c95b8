"""Where downloaded files lie: in the layout of huggingface_hub's cache, so that its own tools read it.

``models--OWNER--NAME/blobs/ETAG`` is the content, ``snapshots/COMMIT/PATH`` a link to it. Beside a blob stand
``ETAG.part`` while it is fetched, and ``ETAG.verified``, which tells that this very file had the right digest.
"""

import contextlib
import os
import re
import shutil
import time
from collections.abc import Collection, Iterable, Iterator
from pathlib import Path, PurePosixPath

from hone_contracts.huggingface import RepositoryFile
from hone_hub.huggingface.errors import NoDigest, UnsafeFileName

_PLAIN = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")
_DIGEST = re.compile(r"[0-9a-f]{64}|[0-9a-f]{40}")
_MOST_NAME_BYTES = 255
_MOST_PATH_CHARS = 1000
_PARTS_STAY_S = 7 * 86_400.0
"""Somebody cancelled it and may go on, or is at it now in another process."""


def check_name(repository: str, path: str) -> None:
    """Raises UnsafeFileName for what would lie anywhere but in the repository's folder."""
    parts = path.split("/")
    bad = any(
        part in ("", ".", "..") or len(part.encode(errors="replace")) > _MOST_NAME_BYTES for part in parts
    )
    if bad or len(path) > _MOST_PATH_CHARS or not path.isprintable() or "\\" in path:
        raise UnsafeFileName(repository, path)


def check_named(repository: str, revision: str, files: Iterable[RepositoryFile]) -> None:
    """Raises UnsafeFileName, NoDigest: a hub's words become paths here, and what it says of a file is what we hold it
    to. Whoever reads them from the hub looks too; this is where it would hurt."""
    for name in (revision, *repository.split("/")):
        if not _PLAIN.fullmatch(name):
            raise UnsafeFileName(repository, name)
    for file in files:
        check_name(repository, file.path)
        if not _DIGEST.fullmatch(file.sha256 or file.blob_id or ""):
            raise NoDigest(repository, file.path)


class Store:
    """The part of the cache that belongs to one repository."""

    def __init__(self, root: Path, repository: str) -> None:
        self.folder = root / f"models--{repository.replace('/', '--')}"
        self.blobs = self.folder / "blobs"

    def blob(self, file: RepositoryFile) -> Path:
        """Named by what its content is."""
        return self.blobs / (file.sha256 or file.blob_id or "")

    def part(self, file: RepositoryFile) -> Path:
        return self.blob(file).with_suffix(".part")

    def snapshot(self, revision: str) -> Path:
        return self.folder / "snapshots" / revision

    def is_verified(self, file: RepositoryFile) -> bool:
        """Whether this very file had the right digest when it was looked at."""
        with contextlib.suppress(OSError):
            return _marker(self.blob(file)).read_text() == _identity(self.blob(file))
        return False

    def mark_verified(self, file: RepositoryFile) -> None:
        _marker(self.blob(file)).write_text(_identity(self.blob(file)))

    def publish(self, file: RepositoryFile) -> None:
        """The fetched part becomes the blob, durably."""
        part, blob = self.part(file), self.blob(file)
        with part.open("rb") as written:
            os.fsync(written.fileno())
        part.replace(blob)
        self.mark_verified(file)

    def link(self, revision: str, file: RepositoryFile) -> Path:
        """The file under its name in the snapshot."""
        link = self.snapshot(revision) / PurePosixPath(file.path)
        link.parent.mkdir(parents=True, exist_ok=True)
        target = os.path.relpath(self.blob(file), link.parent)
        if not link.is_symlink() or str(link.readlink()) != target:
            temporary = link.with_name(f".{link.name[:200]}.{os.getpid()}.link")
            temporary.unlink(missing_ok=True)
            temporary.symlink_to(target)
            temporary.replace(link)
        return link

    def here_bytes(self, file: RepositoryFile) -> int:
        """How much of it needs no fetching."""
        for path in (self.blob(file), self.part(file)):
            with contextlib.suppress(OSError):
                return min(path.stat().st_size, file.size_bytes)
        return 0

    def remove(self, revision: str | None, keep: Collection[str]) -> int:
        """Snapshots (all, or one) but for the paths to ``keep``, and the blobs that no snapshot needs any more. What
        was fetched in part stays for a week.

        Returns the bytes that were freed."""
        snapshots = [self.snapshot(revision)] if revision else list((self.folder / "snapshots").glob("*"))
        for snapshot in snapshots:
            for link in _links(snapshot):
                if link.relative_to(snapshot).as_posix() not in keep:
                    link.unlink(missing_ok=True)
            _remove_empty(snapshot)
        needed = {
            (link.parent / link.readlink()).name
            for snapshot in (self.folder / "snapshots").glob("*")
            for link in _links(snapshot)
        }
        freed, recent = 0, time.time() - _PARTS_STAY_S
        parts = {part.stem for part in self.blobs.glob("*.part") if part.stat().st_mtime > recent}
        for blob in list(self.blobs.glob("*")):
            stem, stat = blob.name.split(".", maxsplit=1)[0], blob.stat()
            if stem not in needed and not (stem in parts and blob.suffix in (".part", ".lock")):
                freed += stat.st_size if stat.st_nlink == 1 else 0
                blob.unlink(missing_ok=True)
        if not needed and not parts:
            shutil.rmtree(self.folder, ignore_errors=True)
        return freed


def _links(snapshot: Path) -> Iterator[Path]:
    yield from [each for each in snapshot.rglob("*") if each.is_symlink()]


def _remove_empty(folder: Path) -> None:
    for each in sorted((*folder.rglob("*"), folder), reverse=True):
        with contextlib.suppress(OSError):
            each.rmdir()


def _marker(blob: Path) -> Path:
    return blob.with_suffix(".verified")


def _identity(path: Path) -> str:
    """Changes when the file is written to, or another takes its place."""
    stat = path.stat()
    return f"{stat.st_size} {stat.st_mtime_ns} {stat.st_ino}"
