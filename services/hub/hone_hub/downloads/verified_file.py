"""A file that is written from where it ends, and hashed beside that."""

import hashlib
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import BinaryIO, Self

from hone_contracts.huggingface import RepositoryFile

_PIECE_BYTES = 4 << 20
_MOST_WAITING = 4


class VerifiedFile:
    """What a download is written to. ``wrote`` is told of each piece, and may raise to stop it.

    The digest is worked out in a thread of its own, which needs a core only while pieces come.
    """

    def __init__(self, path: Path, file: RepositoryFile, wrote: Callable[[int], None]) -> None:
        self._file, self._wrote = file, wrote
        self._stream: BinaryIO = path.open("ab")
        self._path = path
        self._hashing = ThreadPoolExecutor(max_workers=1)
        self._waiting: deque[Future[None]] = deque()
        self._begin()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._hashing.shutdown(wait=False, cancel_futures=True)
        self._stream.close()

    @property
    def size_bytes(self) -> int:
        return self._stream.tell()

    def write(self, piece: bytes) -> int:
        self._stream.write(piece)
        self._hash(piece)
        self._wrote(len(piece))
        return len(piece)

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

    def _hash(self, piece: bytes) -> None:
        self._submit(self._digest.update, bytes(piece))

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
