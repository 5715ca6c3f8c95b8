"""Reads a small GGUF file, which may be hostile: nothing is taken on trust that the file's size does not bear out.

Format: https://github.com/ggml-org/ggml/blob/master/docs/gguf.md. Only what a starter's file holds is known here:
little endian, version 3, weights as F32, F16, BF16 or Q8_0.
"""

import math
import struct
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from hone_trainer.finetune.errors import BaseUnreadable

MAX_FILE_BYTES = 64 << 20  # the starter has 3.6 MB, and 13 MB as F32
MAX_FIELDS = 256
MAX_TENSORS = 1024
MAX_ITEMS = 1 << 18  # of an array: a vocabulary four times as large as the family may have

Floats = npt.NDArray[np.float32]

_SCALARS = {0: "B", 1: "b", 2: "H", 3: "h", 4: "I", 5: "i", 6: "f", 7: "?", 10: "Q", 11: "q", 12: "d"}
_STRING, _ARRAY = 8, 9
_F32, _F16, _Q8_0, _BF16 = 0, 1, 8, 30
_BLOCK = np.dtype(
    [("scale", "<f2"), ("values", "i1", (32,))]
)  # Q8_0: 32 weights and what they are multiplied with


@dataclass(frozen=True, slots=True)
class GgufFile:
    """Metadata by key, and tensors by name as 32-bit floats, [rows, columns] or [columns]."""

    fields: dict[str, Any]
    tensors: dict[str, Floats]


def read(path: Path) -> GgufFile:
    """Raises BaseUnreadable, which says what is wrong where."""
    try:
        if path.stat().st_size > MAX_FILE_BYTES:
            raise BaseUnreadable(
                path, f"is longer than {MAX_FILE_BYTES >> 20} MiB: no file of the starter's family"
            )
        data = path.read_bytes()
    except OSError as error:
        raise BaseUnreadable(path, str(error)) from error
    cursor = _Cursor(path, data)
    if cursor.take(4) != b"GGUF" or cursor.scalar(4) != 3:
        raise cursor.wrong("is no GGUF file of version 3")
    tensor_count, field_count = (
        cursor.count(MAX_TENSORS, "tensors", 10),
        cursor.count(MAX_FIELDS, "fields", 10),
    )
    fields = cursor.distinct(field_count, cursor.string, cursor.value)
    places = cursor.distinct(tensor_count, cursor.string, cursor.place)
    alignment = fields.get("general.alignment", 32)
    if not isinstance(alignment, int) or not 8 <= alignment <= 4096 or alignment % 8:
        raise cursor.wrong(f"has the alignment {alignment}")
    if sum(place.size for place in places.values()) > len(data):
        raise cursor.wrong("says that its weights are longer than it is")
    start = -(-cursor.at // alignment) * alignment
    return GgufFile(fields, {name: place.floats(cursor, start, name) for name, place in places.items()})


@dataclass(frozen=True, slots=True)
class _Place:
    """Where a tensor's weights stand, counted from the first tensor's."""

    shape: tuple[int, ...]
    kind: int
    offset: int

    @property
    def size(self) -> int:
        """In bytes."""
        weights = math.prod(self.shape)
        if self.kind == _Q8_0:
            return weights // 32 * _BLOCK.itemsize
        return weights * (4 if self.kind == _F32 else 2)

    def floats(self, cursor: "_Cursor", start: int, name: str) -> Floats:
        if self.kind not in (_F32, _F16, _BF16, _Q8_0):
            raise cursor.wrong(f"holds {name} in the type {self.kind}; known are F32, F16, BF16 and Q8_0")
        if self.kind == _Q8_0 and self.shape[-1] % 32:
            raise cursor.wrong(f"holds {name} in blocks that do not fit into its rows")
        found = _decoded(cursor.slice(start + self.offset, self.size), self.kind).reshape(self.shape)
        if not np.isfinite(found).all():
            raise cursor.wrong(f"holds weights in {name} that are no numbers")
        return found


def _decoded(raw: bytes, kind: int) -> Floats:
    if kind == _F32:
        return np.frombuffer(raw, "<f4").astype(np.float32)
    if kind == _F16:
        return np.frombuffer(raw, "<f2").astype(np.float32)
    if kind == _BF16:
        return (np.frombuffer(raw, "<u2").astype(np.uint32) << 16).view(np.float32)
    blocks = np.frombuffer(raw, _BLOCK)
    with np.errstate(invalid="ignore"):  # infinity times nothing is found by the caller
        return (blocks["values"].astype(np.float32) * blocks["scale"].astype(np.float32)[:, None]).reshape(-1)


class _Cursor:
    """A place in the file's bytes that only moves within them."""

    def __init__(self, path: Path, data: bytes) -> None:
        self._path, self._data = path, data
        self.at = 0

    def wrong(self, reason: str) -> BaseUnreadable:
        return BaseUnreadable(self._path, reason)

    def slice(self, start: int, size: int) -> bytes:
        if size > len(self._data) - start:
            raise self.wrong("ends before what it says it holds")
        return self._data[start : start + size]

    def take(self, size: int) -> bytes:
        found = self.slice(self.at, size)
        self.at += size
        return found

    def scalar(self, kind: int) -> Any:
        code = _SCALARS.get(kind)
        if code is None:
            raise self.wrong(f"has a value of the unknown type {kind}")
        return struct.unpack(f"<{code}", self.take(struct.calcsize(code)))[0]

    def count(self, most: int, what: str, item_bytes: int) -> int:
        found: int = self.scalar(10)
        if found > most or found * item_bytes > len(self._data) - self.at:
            raise self.wrong(f"says that it holds {found} {what}")
        return found

    def string(self) -> str:
        size: int = self.scalar(10)
        try:
            return self.take(size).decode()
        except UnicodeDecodeError as error:
            raise self.wrong("holds a text that is not UTF-8") from error

    def value(self) -> Any:
        kind: int = self.scalar(4)
        if kind == _STRING:
            return self.string()
        if kind != _ARRAY:
            return self.scalar(kind)
        of: int = self.scalar(4)
        if of != _STRING and of not in _SCALARS:
            raise self.wrong(f"has a list of the type {of}")
        item_bytes = 8 if of == _STRING else struct.calcsize(_SCALARS[of])
        items = self.count(MAX_ITEMS, "items of a list", item_bytes)
        return [self.string() if of == _STRING else self.scalar(of) for _ in range(items)]

    def place(self) -> _Place:
        dimensions: int = self.scalar(4)
        if not 1 <= dimensions <= 2:
            raise self.wrong(f"has a tensor of {dimensions} dimensions")
        shape = [self.count(MAX_FILE_BYTES, "weights in a row or column", 0) for _ in range(dimensions)]
        return _Place(tuple(reversed(shape)), self.scalar(4), self.count(MAX_FILE_BYTES, "bytes", 0))

    def distinct(self, count: int, key: Callable[[], str], value: Callable[[], Any]) -> dict[str, Any]:
        found: dict[str, Any] = {}
        for _ in range(count):
            name = key()
            if name in found:
                raise self.wrong(f"holds {name[:80]!r} twice")
            found[name] = value()
        return found
