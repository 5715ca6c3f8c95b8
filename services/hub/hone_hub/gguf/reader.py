"""Reads the header of a GGUF file that may have been made to hurt.

Every count, length, type, offset and alignment is checked against the format and the file's size before it
is used; what llama.cpp would refuse or crash on is refused here. Time and memory are bounded by the limits
in `format`. Tensor data is never touched.

Source: docs/gguf.md of ggml, and what ggml/src/gguf.cpp enforces when it loads.
"""

from __future__ import annotations

import math
import stat
from pathlib import Path

from ..errors import CorruptGGUF, FileMissing, FileUnreadable, NotGGUF, TruncatedGGUF, UnsupportedGGUF
from .cursor import ByteStream, Cursor
from .format import (
    DEFAULT_ALIGNMENT,
    MAGIC,
    MAX_ALIGNMENT,
    MAX_DIMS,
    MAX_KEY_BYTES,
    MAX_KEYS,
    MAX_TENSOR_NAME_BYTES,
    MAX_TENSORS,
    SCALARS,
    TENSOR_TYPES,
    VERSIONS,
    TensorType,
    ValueType,
)
from .header import Field, Header, Items, Tensor
from .well_known import check_types

_U32 = SCALARS[ValueType.UINT32]
_SMALLEST_KEY_BYTES = 8 + 1 + 4 + 1  # length, one letter, type, one byte of value
_SMALLEST_TENSOR_BYTES = 8 + 1 + 4 + 8 + 4 + 8  # length, one letter, dims, one dim, type, offset
_MAX_WEIGHTS = 1 << 60  # far above any model; keeps every product within 64 bits, as C loaders need


def read_file(path: Path) -> Header:
    """Reads and checks the header of a local file. Raises GGUFError, FileMissing or FileUnreadable."""
    try:
        status = path.stat()
        if not stat.S_ISREG(status.st_mode):
            raise NotGGUF(f"{path} is not a regular file")
        with path.open("rb", buffering=0) as stream:
            return read(stream, status.st_size)
    except FileNotFoundError as error:
        raise FileMissing(path, "give the path of a .gguf file") from error
    except OSError as error:
        raise FileUnreadable(path, error) from error


def read(stream: ByteStream, size_bytes: int) -> Header:
    """Reads and checks a header from a stream at its start, for a file of `size_bytes` in all."""
    cursor = Cursor(stream, size_bytes)
    version = _version(cursor, size_bytes)
    tensor_count, key_count = cursor.u64("the tensor count"), cursor.u64("the key count")
    _check_count(cursor, key_count, MAX_KEYS, _SMALLEST_KEY_BYTES, "keys")
    _check_count(cursor, tensor_count, MAX_TENSORS, _SMALLEST_TENSOR_BYTES, "tensors")
    fields = _fields(cursor, key_count)
    check_types(fields)
    alignment = _alignment(fields)
    tensors, data_bytes = _tensors(cursor, tensor_count, alignment)
    data_offset = _aligned(cursor.offset, alignment)
    if tensors and data_offset + data_bytes > size_bytes:
        missing = data_offset + data_bytes - size_bytes
        raise TruncatedGGUF(f"the tensors end {missing} bytes after the file does, which has {size_bytes}")
    return Header(version, alignment, fields, tensors, data_offset, data_bytes, size_bytes)


def _version(cursor: Cursor, size_bytes: int) -> int:
    if size_bytes < len(MAGIC) or (magic := cursor.take(4, "the magic number")) != MAGIC:
        found = "" if size_bytes < len(MAGIC) else f": it begins with {magic!r}"
        raise NotGGUF(f"not a GGUF file{found}", 0)
    version = int(cursor.scalar(_U32, "the version"))
    if version in VERSIONS:
        return version
    if version & 0xFFFF == 0 and version != 0:
        raise UnsupportedGGUF("a big-endian GGUF file", 4, "get the little-endian version of the model")
    raise UnsupportedGGUF(f"GGUF version {version}, Hone reads {' and '.join(map(str, VERSIONS))}", 4)


def _check_count(cursor: Cursor, count: int, limit: int, each_bytes: int, what: str) -> None:
    if count > limit:
        raise CorruptGGUF(f"the header claims {count} {what}, at most {limit} are accepted", 8)
    cursor.require(count, each_bytes, f"a header of {count} {what}")


def _fields(cursor: Cursor, count: int) -> dict[str, Field]:
    fields: dict[str, Field] = {}
    for _ in range(count):
        start = cursor.offset
        key = cursor.text("a key", MAX_KEY_BYTES)
        if not key or key in fields:
            raise CorruptGGUF(f"key {key!r} occurs twice" if key else "an empty key", start)
        fields[key] = _field(cursor, f"key {key[:80]!r}")
    return fields


def _field(cursor: Cursor, what: str) -> Field:
    start = cursor.offset
    kind = _value_type(cursor, what)
    if kind is ValueType.STRING:
        return Field(kind, start, scalar=cursor.text(what))
    if kind is ValueType.ARRAY:
        item_type = _value_type(cursor, what)
        return Field(kind, start, item_type=item_type, items=_items(cursor, item_type, what))
    value = cursor.scalar(SCALARS[kind], what)
    if kind is not ValueType.BOOL:
        return Field(kind, start, scalar=value)
    if value not in (0, 1):
        raise CorruptGGUF(f"{what} is a truth value of {value}", start)
    return Field(kind, start, scalar=bool(value))


def _value_type(cursor: Cursor, what: str) -> ValueType:
    start = cursor.offset
    number = int(cursor.scalar(_U32, f"the type of {what}"))
    try:
        return ValueType(number)
    except ValueError as error:
        raise CorruptGGUF(f"{what} has the unknown value type {number}", start) from error


def _items(cursor: Cursor, kind: ValueType, what: str) -> Items:
    start = cursor.offset
    if kind is ValueType.ARRAY:
        raise CorruptGGUF(f"{what} is an array of arrays, which no loader reads", start)
    count = cursor.u64(f"the length of {what}")
    if kind is ValueType.STRING:
        return cursor.texts(count, what)
    shape = SCALARS[kind]
    cursor.require_items(count, shape.size, what)
    values = tuple(value[0] for value in shape.iter_unpack(cursor.take(count * shape.size, what)))
    if kind is not ValueType.BOOL:
        return values
    if any(value > 1 for value in values):
        raise CorruptGGUF(f"{what} holds truth values other than 0 and 1", start)
    return tuple(bool(value) for value in values)


def _alignment(fields: dict[str, Field]) -> int:
    field = fields.get("general.alignment")
    if field is None:
        return DEFAULT_ALIGNMENT
    value = field.scalar
    if not isinstance(value, int) or value < 1 or value > MAX_ALIGNMENT or value & (value - 1):
        raise CorruptGGUF(
            f"general.alignment {value} is not a power of two up to {MAX_ALIGNMENT}", field.offset
        )
    return value


def _tensors(cursor: Cursor, count: int, alignment: int) -> tuple[dict[str, Tensor], int]:
    """The tensors, and how many bytes they take. They must lie in order and back to back, as ggml demands."""
    tensors: dict[str, Tensor] = {}
    expected = end = 0
    for _ in range(count):
        start = cursor.offset
        tensor = _tensor(cursor)
        if tensor.name in tensors:
            raise CorruptGGUF(f"tensor {tensor.name!r} occurs twice", start)
        if tensor.offset % alignment:
            raise CorruptGGUF(
                f"tensor {tensor.name!r} lies at {tensor.offset}, not a multiple of {alignment}", start
            )
        if tensor.offset != expected:
            how = "overlaps the one before" if tensor.offset < expected else "leaves a gap"
            raise CorruptGGUF(
                f"tensor {tensor.name!r} {how}: at {tensor.offset} instead of {expected}", start
            )
        tensors[tensor.name] = tensor
        end = tensor.offset + tensor.size_bytes
        expected = _aligned(end, alignment)
    return tensors, end


def _tensor(cursor: Cursor) -> Tensor:
    start = cursor.offset
    name = cursor.text("a tensor's name", MAX_TENSOR_NAME_BYTES)
    what = f"tensor {name!r}"
    if not name:
        raise CorruptGGUF("a tensor without a name", start)
    dims = int(cursor.scalar(_U32, f"the dimensions of {what}"))
    if not 1 <= dims <= MAX_DIMS:
        raise CorruptGGUF(f"{what} has {dims} dimensions, 1 to {MAX_DIMS} are possible", start)
    shape = tuple(cursor.u64(f"the shape of {what}") for _ in range(dims))
    number = int(cursor.scalar(_U32, f"the type of {what}"))
    offset = cursor.u64(f"the offset of {what}")
    return Tensor(name, shape, _tensor_type(number, shape, what, start), offset)


def _tensor_type(number: int, shape: tuple[int, ...], what: str, start: int) -> TensorType:
    kind = TENSOR_TYPES.get(number)
    if kind is None:
        raise UnsupportedGGUF(f"{what} has the unknown type {number}", start)
    if 0 in shape or math.prod(shape) > _MAX_WEIGHTS:
        raise CorruptGGUF(f"{what} has the impossible shape {list(shape)}", start)
    if shape[0] % kind.block:
        raise CorruptGGUF(
            f"{what} has rows of {shape[0]}, {kind.name} needs multiples of {kind.block}", start
        )
    return kind


def _aligned(offset: int, alignment: int) -> int:
    return -(-offset // alignment) * alignment
