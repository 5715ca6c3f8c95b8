"""Reads a stream whose every length comes from a stranger."""

from __future__ import annotations

import struct
from typing import Protocol

from ..errors import CorruptGGUF, TruncatedGGUF, UnsupportedGGUF
from .format import MAX_HEADER_BYTES, MAX_ITEMS

_CHUNK_BYTES = 1 << 18
_U64 = struct.Struct("<Q")


class ByteStream(Protocol):
    """What the reader needs: a file, or anything that fetches ranges as it is read."""

    def read(self, size: int, /) -> bytes: ...


class Cursor:
    """A position in a header of at most MAX_HEADER_BYTES, in a file of `size_bytes`.

    No request is served, and nothing allocated, before it is checked against both.
    """

    def __init__(self, stream: ByteStream, size_bytes: int) -> None:
        self._stream = stream
        self._size_bytes = size_bytes
        self._buffer = b""
        self._start = 0  # offset in the file of the buffer's first byte
        self._at = 0  # position within the buffer
        self._items_left = MAX_ITEMS

    @property
    def offset(self) -> int:
        return self._start + self._at

    def require(self, count: int, each_bytes: int, what: str) -> None:
        """Refuses a count of things whose smallest form would not fit into what is left of the file."""
        left = self._size_bytes - self.offset
        if count * each_bytes > left:
            raise TruncatedGGUF(
                f"{what} needs at least {count * each_bytes} bytes and the file has {left} left", self.offset
            )

    def take(self, count: int, what: str) -> bytes:
        if self._at + count > len(self._buffer):
            self._fill(count, what)
        end = self._at + count
        taken = self._buffer[self._at : end]
        self._at = end
        return taken

    def scalar(self, shape: struct.Struct, what: str) -> int | float:
        value: int | float = shape.unpack(self.take(shape.size, what))[0]
        return value

    def u64(self, what: str) -> int:
        return int(_U64.unpack(self.take(8, what))[0])

    def text(self, what: str, max_bytes: int = MAX_HEADER_BYTES) -> str:
        start = self.offset
        length = self.u64(f"the length of {what}")
        if length > max_bytes:
            raise CorruptGGUF(f"{what} claims {length} bytes, at most {max_bytes} are possible", start)
        return self._decoded(self.take(length, what), start, what)

    def require_items(self, count: int, each_bytes: int, what: str) -> None:
        """As `require`, and counts array items against what the whole header may hold in memory."""
        self.require(count, each_bytes, what)
        self._items_left -= count
        if self._items_left < 0:
            raise UnsupportedGGUF(f"the header's arrays hold more than {MAX_ITEMS} items", self.offset)

    def texts(self, count: int, what: str) -> list[str]:
        self.require_items(count, 8, what)
        item = f"an item of {what}"
        return [self.text(item) for _ in range(count)]

    @staticmethod
    def _decoded(raw: bytes, start: int, what: str) -> str:
        try:
            return raw.decode("utf-8")
        except UnicodeDecodeError as error:
            raise CorruptGGUF(f"{what} is not UTF-8", start) from error

    def _fill(self, count: int, what: str) -> None:
        start = self.offset
        if count > self._size_bytes - start:
            raise TruncatedGGUF(
                f"{what} needs {count} bytes, the file has {self._size_bytes - start} left", start
            )
        if start + count > MAX_HEADER_BYTES:
            raise UnsupportedGGUF(f"the header is larger than {MAX_HEADER_BYTES} bytes", start)
        kept = self._buffer[self._at :]
        wanted = min(max(count, _CHUNK_BYTES), self._size_bytes - start) - len(kept)
        parts = [kept]
        while wanted > 0 and (part := self._stream.read(wanted)):
            parts.append(part)
            wanted -= len(part)
        self._buffer, self._start, self._at = b"".join(parts), start, 0
        if count > len(self._buffer):
            raise TruncatedGGUF(f"{what} needs {count} bytes and only {len(self._buffer)} came", start)
