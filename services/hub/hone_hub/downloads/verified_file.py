"""A file that is written from where it ends, and hashed beside that."""

import hashlib
import os
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import BinaryIO, Self

from hone_contracts.huggingface import RepositoryFile

_PIECE_BYTES = 4 << 20
_MOST_WAITING = 16
_SYNC_EVERY_BYTES = 64 << 20


class VerifiedFile:
    """What a download is written to. ``wrote`` is told of each piece, and may raise to stop it.

    The digest is worked out in a thread of its own, which needs a core only while pieces come; another one sees that
    what was written reaches the disk, so that there is little to wait for in the end.
    """

    def __init__(self, path: Path, file: RepositoryFile, wrote: Callable[[int], None]) -> None:
        self._file, self._wrote = file, wrote
        self._stream: BinaryIO = path.open("ab")
        self._path = path
        self._hashing, self._syncing = ThreadPoolExecutor(max_workers=1), ThreadPoolExecutor(max_workers=1)
        self._synced: Future[None] | None = None
        self._unsynced_bytes = 0
        self._waiting: deque[Future[None]] = deque()
        self._begin()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._hashing.shutdown(wait=False, cancel_futures=True)
        self._syncing.shutdown(wait=True)
        self._stream.close()

    @property
    def size_bytes(self) -> int:
        return self._stream.tell()

    def write(self, pieces: list[bytes]) -> None:
        size_bytes = sum(map(len, pieces))
        self._stream.writelines(pieces)
        self._submit(self._hash_all, pieces)
        self._sync_now_and_then(size_bytes)
        self._wrote(size_bytes)

    def begin_anew(self) -> None:
        """The server sends everything although the end was asked for."""
        self._wrote(-self._stream.tell())
        self._settle()
        self._stream.truncate(0)
        self._begin()

    def is_right(self) -> bool:
        """Whether all that was written has the digest that the hub tells. True where it tells none."""
        self._stream.flush()
        self._settle()
        return self._file_digest in (None, self._digest.hexdigest())

    @property
    def _file_digest(self) -> str | None:
        return self._file.sha256 or self._file.blob_id

    def _begin(self) -> None:
        self._digest = new_digest(self._file)
        self._stream.seek(0, 2)
        if self._stream.tell():
            self._submit(self._hash_what_is_there, self._stream.tell())

    def _hash_what_is_there(self, size_bytes: int) -> None:
        with self._path.open("rb") as there:
            while size_bytes and (piece := there.read(min(size_bytes, _PIECE_BYTES))):
                self._digest.update(piece)
                size_bytes -= len(piece)

    def _hash_all(self, pieces: list[bytes]) -> None:
        for piece in pieces:
            self._digest.update(piece)

    def _sync_now_and_then(self, size_bytes: int) -> None:
        self._unsynced_bytes += size_bytes
        if self._unsynced_bytes >= _SYNC_EVERY_BYTES and (self._synced is None or self._synced.done()):
            self._unsynced_bytes = 0
            self._synced = self._syncing.submit(os.fsync, self._stream.fileno())

    def _submit(self, work: Callable[..., None], *what: object) -> None:
        self._waiting.append(self._hashing.submit(work, *what))
        while len(self._waiting) > _MOST_WAITING:
            self._waiting.popleft().result()

    def _settle(self) -> None:
        while self._waiting:
            self._waiting.popleft().result()


def new_digest(file: RepositoryFile) -> "hashlib._Hash":
    """SHA-256 for large files; for small ones what Git names them by."""
    if file.sha256 is not None or file.blob_id is None:
        return hashlib.sha256()
    return hashlib.sha1(b"blob %d\0" % file.size_bytes, usedforsecurity=False)
