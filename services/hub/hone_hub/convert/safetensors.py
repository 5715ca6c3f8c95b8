"""Reads safetensors without torch, some rows at a time, bf16 included (numpy has no such type).

Source: github.com/huggingface/safetensors, "Format": 8 bytes of header length, a JSON header, data.
"""

from __future__ import annotations

import json
import math
import struct
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import FileUnreadable, SourceInvalid
from .checkpoint import Checkpoint

_MAX_HEADER_BYTES = 100_000_000  # the reference implementation's limit
_MAX_SHARDS = 4096
_ADVICE = "download the model's safetensors again"
_STORED: dict[str, np.dtype[Any]] = {
    "F32": np.dtype("<f4"),
    "F16": np.dtype("<f2"),
    "BF16": np.dtype("<u2"),
}


@dataclass(frozen=True)
class Weight:
    """Where a tensor lies. `shape` as in PyTorch: [out, in] for a matrix."""

    name: str
    path: Path
    dtype: str
    shape: tuple[int, ...]
    offset: int
    size_bytes: int

    def rows(self, start: int, stop: int, columns: int) -> NDArray[Any]:
        """Rows [stop - start, columns] as stored: float32, float16, or bf16's bits as uint16 (see `to_float32`)."""
        kind = _STORED[self.dtype]
        try:
            with self.path.open("rb") as stream:
                stream.seek(self.offset + start * columns * kind.itemsize)
                raw = np.fromfile(stream, dtype=kind, count=(stop - start) * columns)
        except OSError as error:
            raise FileUnreadable(self.path, error) from error
        if raw.size != (stop - start) * columns:
            raise SourceInvalid(f"{self.path} ends within {self.name}", _ADVICE)
        return raw.reshape(stop - start, columns)


def to_float32(stored: NDArray[Any]) -> NDArray[np.float32]:
    """Exact: a bf16 is the upper half of a float32."""
    if stored.dtype == np.uint16:
        return (stored.astype(np.uint32) << 16).view(np.float32)
    return stored.astype(np.float32, copy=False)


def open_weights(checkpoint: Checkpoint) -> dict[str, Weight]:
    """All tensors of model.safetensors or of its shards, by name."""
    if checkpoint.has("model.safetensors.index.json"):
        return _open_shards(checkpoint)
    if checkpoint.has("model.safetensors"):
        return read_header(checkpoint.path("model.safetensors"))
    checkpoint.refuse_pickles()
    raise SourceInvalid(
        f"{checkpoint.folder} has no model.safetensors", "give a folder with safetensors weights"
    )


def _open_shards(checkpoint: Checkpoint) -> dict[str, Weight]:
    weight_map = checkpoint.index().get("weight_map")
    if not isinstance(weight_map, dict) or not all(isinstance(name, str) for name in weight_map.values()):
        raise SourceInvalid("model.safetensors.index.json has no weight_map of file names", _ADVICE)
    shards = sorted(set(weight_map.values()))
    if len(shards) > _MAX_SHARDS:
        raise SourceInvalid(f"the index names {len(shards)} shards", _ADVICE)
    paths = {shard: checkpoint.path(shard) for shard in shards}  # all are safe before any is opened
    weights: dict[str, Weight] = {}
    for shard, path in paths.items():
        for name, weight in read_header(path).items():
            if weight_map.get(name) != shard:
                raise SourceInvalid(f"{shard} holds {name}, which the index does not place there", _ADVICE)
            weights[name] = weight
    if missing := weight_map.keys() - weights.keys():
        raise SourceInvalid(f"the shards lack {min(missing)} ({len(missing)} in all)", _ADVICE)
    return weights


def read_header(path: Path) -> dict[str, Weight]:
    try:
        with path.open("rb") as stream:
            size_bytes = path.stat().st_size
            prefix = stream.read(8)
            length = struct.unpack("<Q", prefix)[0] if len(prefix) == 8 else -1
            if not 2 <= length <= min(_MAX_HEADER_BYTES, size_bytes - 8):
                raise SourceInvalid(f"{path} is not a safetensors file or is cut short", _ADVICE)
            raw = stream.read(length)
    except OSError as error:
        raise FileUnreadable(path, error) from error
    try:
        entries = json.loads(raw)
    except (ValueError, RecursionError) as error:
        raise SourceInvalid(f"{path} has a malformed header: {error}", _ADVICE) from error
    if not isinstance(entries, dict):
        raise SourceInvalid(f"{path} has a malformed header", _ADVICE)
    entries.pop("__metadata__", None)
    weights = {name: _weight(path, name, entry, 8 + length) for name, entry in entries.items()}
    _check_layout(path, list(weights.values()), 8 + length, size_bytes)
    return weights


def _weight(path: Path, name: str, entry: object, data_start: int) -> Weight:
    match entry:
        case {"dtype": str(dtype), "shape": [*shape], "data_offsets": [int(begin), int(end)]} if all(
            type(size) is int and size >= 0 for size in shape
        ):
            pass
        case _:
            raise SourceInvalid(f"{path} describes {name!r} in a way that is not safetensors", _ADVICE)
    stored = _STORED.get(dtype)
    if stored is None:
        raise SourceInvalid(
            f"{name} is stored as {dtype}, the converter reads F32, F16 and BF16", "use the unquantized model"
        )
    sizes = tuple(int(size) for size in shape)
    if end - begin != math.prod(sizes) * stored.itemsize:
        raise SourceInvalid(f"{path} gives {name} {end - begin} bytes for the shape {list(sizes)}", _ADVICE)
    return Weight(name, path, dtype, sizes, data_start + begin, end - begin)


def _check_layout(path: Path, weights: list[Weight], data_start: int, size_bytes: int) -> None:
    """As the format demands: tensors back to back, nothing before, between or after them."""
    at = data_start
    for weight in sorted(weights, key=lambda weight: (weight.offset, weight.size_bytes)):
        if weight.offset != at:
            raise SourceInvalid(f"{path} has overlapping or scattered tensors at {weight.name}", _ADVICE)
        at += weight.size_bytes
    if at != size_bytes:
        raise SourceInvalid(f"{path} has {size_bytes} bytes, its header describes {at}", _ADVICE)
