"""The safetensors files of a folder in Hugging Face's layout, read without taking anything on trust.

Format: github.com/huggingface/safetensors, "Format": 8 bytes of header length, a JSON header, then the tensors, back
to back.
"""

import json
import math
import stat
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import torch
from torch import Tensor

from hone_trainer.tuning.errors import FolderUnreadable

INDEX = "model.safetensors.index.json"
MAX_HEADER_BYTES = 100_000_000  # the reference implementation's limit
MAX_JSON_BYTES = 64 << 20
MAX_SHARDS = 4096

FLOATS: dict[str, torch.dtype] = {"F32": torch.float32, "F16": torch.float16, "BF16": torch.bfloat16}
"""What weights that were never quantized are stored as."""

_ITEM_BITS = {
    "BOOL": 8, "U8": 8, "I8": 8, "F8_E4M3": 8, "F8_E5M2": 8, "F8_E8M0": 8, "F4": 4, "F6_E2M3": 6, "F6_E3M2": 6,
    "U16": 16, "I16": 16, "F16": 16, "BF16": 16, "U32": 32, "I32": 32, "F32": 32, "U64": 64, "I64": 64, "F64": 64,
    "C64": 64,
}  # fmt: skip


@dataclass(frozen=True)
class Stored:
    """Where a tensor lies in its file; ``shape`` as in PyTorch. ``offset`` counts from the file's beginning."""

    name: str
    dtype: str
    shape: tuple[int, ...]
    offset: int
    size_bytes: int


@dataclass(frozen=True)
class Shard:
    """``header`` are the bytes before the tensors, which stand in the order of the file."""

    path: Path
    header: bytes
    tensors: tuple[Stored, ...]


def open_shards(folder: Path) -> list[Shard]:
    """All files of weights, in the order of their names. Raises FolderUnreadable."""
    if not (folder / INDEX).exists():
        if not (folder / "model.safetensors").exists():
            raise FolderUnreadable(folder, "holds no model.safetensors")
        return [_shard(plain_file(folder, "model.safetensors"))]
    placed = read_json(folder, INDEX).get("weight_map")
    if (
        not isinstance(placed, dict)
        or not placed
        or not all(isinstance(each, str) for each in placed.values())
    ):
        raise FolderUnreadable(folder / INDEX, "has no weight_map of file names")
    names = sorted(set(placed.values()))
    if len(names) > MAX_SHARDS:
        raise FolderUnreadable(folder / INDEX, f"names {len(names)} files")
    shards = [_shard(plain_file(folder, name)) for name in names]
    found = {each.name: shard.path.name for shard in shards for each in shard.tensors}
    if len(found) != sum(len(shard.tensors) for shard in shards) or found.keys() != placed.keys():
        odd = min(found.keys() ^ placed.keys(), default="a tensor twice")
        raise FolderUnreadable(folder / INDEX, f"does not fit the files it names: {odd[:200]}")
    return shards


def tensors_of(shards: list[Shard]) -> dict[str, Stored]:
    return {each.name: each for shard in shards for each in shard.tensors}


def rows(stream: BinaryIO, stored: Stored, start: int, stop: int) -> Tensor:
    """Rows of a matrix [stop - start, columns] in the dtype that they are stored in, one of ``FLOATS``."""
    columns, dtype = stored.shape[1], FLOATS[stored.dtype]
    stream.seek(stored.offset + start * columns * dtype.itemsize)
    raw = bytearray((stop - start) * columns * dtype.itemsize)
    if stream.readinto(raw) != len(raw):  # type: ignore[attr-defined]
        raise FolderUnreadable(Path(stream.name), f"ends within {stored.name}")
    return torch.frombuffer(raw, dtype=dtype).view(stop - start, columns)


def plain_file(folder: Path, name: str) -> Path:
    """A regular file of the folder, also where Hugging Face's cache links to it. Raises FolderUnreadable."""
    path = folder / name
    if "/" in name or "\\" in name or "\0" in name or name in ("", ".", ".."):
        raise FolderUnreadable(folder, f"names {name[:200]!r}, which is no file of it")
    try:
        resolved = path.resolve(strict=True)
        regular = stat.S_ISREG(resolved.stat().st_mode)
    except (OSError, RuntimeError) as error:  # RuntimeError: a loop of links, before Python 3.13
        raise FolderUnreadable(path, f"cannot be opened: {error}") from error
    if not regular or not any(resolved.is_relative_to(root) for root in _roots(folder)):
        raise FolderUnreadable(path, "is no file of the folder itself")
    return resolved


def read_json(folder: Path, name: str) -> dict[str, Any]:
    """Raises FolderUnreadable."""
    path = plain_file(folder, name)
    try:
        with path.open("rb") as stream:
            raw = stream.read(MAX_JSON_BYTES + 1)
        found = json.loads(raw) if len(raw) <= MAX_JSON_BYTES else None
    except (OSError, ValueError, RecursionError) as error:
        raise FolderUnreadable(path, f"is no JSON: {error}") from error
    if not isinstance(found, dict):
        raise FolderUnreadable(path, "is no JSON object of a usual size")
    return found


def _roots(folder: Path) -> Iterator[Path]:
    resolved = folder.resolve()
    yield resolved
    if resolved.parent.name == "snapshots":
        yield resolved.parent.parent / "blobs"


def _shard(path: Path) -> Shard:
    try:
        with path.open("rb") as stream:
            size_bytes = path.stat().st_size
            prefix = stream.read(8)
            length = struct.unpack("<Q", prefix)[0] if len(prefix) == 8 else -1
            if not 2 <= length <= min(MAX_HEADER_BYTES, size_bytes - 8):
                raise FolderUnreadable(path, "is no safetensors file, or cut short")
            raw = stream.read(length)
        entries = json.loads(raw)
    except (OSError, ValueError, RecursionError) as error:
        raise FolderUnreadable(path, f"has a malformed header: {error}") from error
    if not isinstance(entries, dict):
        raise FolderUnreadable(path, "has a malformed header")
    entries.pop("__metadata__", None)
    found = [_stored(path, name, entry, 8 + length) for name, entry in entries.items()]
    found.sort(key=lambda each: (each.offset, each.size_bytes))
    at = 8 + length
    for each in found:
        if each.offset != at:
            raise FolderUnreadable(path, f"has overlapping or scattered tensors at {each.name}")
        at += each.size_bytes
    if at != size_bytes:
        raise FolderUnreadable(path, f"has {size_bytes} bytes, and its header describes {at}")
    return Shard(path, prefix + raw, tuple(found))


def _stored(path: Path, name: str, entry: object, data_start: int) -> Stored:
    match entry:
        case {"dtype": str(dtype), "shape": [*shape], "data_offsets": [int(begin), int(end)]} if all(
            type(size) is int and size >= 0 for size in shape
        ):
            pass
        case _:
            raise FolderUnreadable(path, f"describes {name[:200]!r} in a way that is not safetensors'")
    bits = _ITEM_BITS.get(dtype)
    if bits is None or begin < 0 or (end - begin) * 8 != math.prod(shape) * bits:
        raise FolderUnreadable(path, f"gives {name[:200]!r} {end - begin} bytes for {list(shape)} of {dtype}")
    return Stored(name, dtype, tuple(shape), data_start + begin, end - begin)
