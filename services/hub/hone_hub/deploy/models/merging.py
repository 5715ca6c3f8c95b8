"""A model in several files as one, for who takes one: ``python -m hone_hub.deploy.models.merging``.

Nothing is written: the header is made anew, and the tensors' bytes are read from the shards while they are sent. A
process of its own makes the header: headers are large, and a stranger's.

Source of the keys and of the order: tools/gguf-split/gguf-split.cpp of llama.cpp.
"""

import base64
import hashlib
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hone_hub.deploy.models.process import Tell, serve
from hone_hub.errors import CorruptGGUF, FileUnreadable
from hone_hub.work import MergeWork

_PIECE_BYTES = 4 << 20
_SPLIT = "split."
_ALIGNMENT = 32


@dataclass(frozen=True)
class Slice:
    """Bytes of one file, and how many zeros follow them."""

    path: Path
    offset: int
    size_bytes: int
    padding: int


@dataclass(frozen=True)
class Merged:
    """What the shards are as one file."""

    name: str
    head: bytes
    slices: tuple[Slice, ...]
    sha256: str
    size_bytes: int

    @classmethod
    def read(cls, work: MergeWork, report: dict[str, Any]) -> "Merged":
        slices = tuple(
            Slice(work.paths[number], offset, size, padding)
            for number, offset, size, padding in report["slices"]
        )
        head = base64.b64decode(report["head"])
        return cls(work.paths[0].name, head, slices, report["sha256"], report["size_bytes"])

    def pieces(self) -> Iterator[bytes]:
        """The whole file, some megabytes at a time. Raises OSError, FileUnreadable."""
        return pieces(self.head, self.slices)


def pieces(head: bytes, slices: tuple[Slice, ...]) -> Iterator[bytes]:
    yield head
    for each in slices:
        with each.path.open("rb", buffering=0) as file:
            file.seek(each.offset)
            left = each.size_bytes
            while left:
                piece = file.read(min(left, _PIECE_BYTES))
                if not piece:
                    raise FileUnreadable(each.path, OSError("it became shorter"))
                left -= len(piece)
                yield piece
        if each.padding:
            yield bytes(each.padding)


def layout(paths: tuple[Path, ...]) -> tuple[bytes, tuple[Slice, ...]]:
    """The header of all, and where its tensors' bytes are. Raises HubError."""
    from hone_hub.gguf import read_file  # noqa: PLC0415 (for the worker alone)
    from hone_hub.gguf.format import TENSOR_TYPES  # noqa: PLC0415

    numbers = {kind: number for number, kind in TENSOR_TYPES.items()}
    headers = [read_file(path) for path in paths]
    infos, slices, end, names = [], [], 0, set()
    for path, header in zip(paths, headers, strict=True):
        for tensor in header.tensors.values():
            if tensor.name in names:
                raise CorruptGGUF(f"tensor {tensor.name!r} is in two shards")
            names.add(tensor.name)
            shape = struct.pack(f"<I{len(tensor.shape)}Q", len(tensor.shape), *tensor.shape)
            infos.append(_text(tensor.name) + shape + struct.pack("<IQ", numbers[tensor.type], end))
            padding = -tensor.size_bytes % _ALIGNMENT
            slices.append(Slice(path, header.data_offset + tensor.offset, tensor.size_bytes, padding))
            end += tensor.size_bytes + padding
    fields = list(_fields(paths[0], headers[0]))
    head = b"GGUF" + struct.pack("<IQQ", headers[0].version, len(infos), len(fields))
    head += b"".join((*fields, *infos))
    return head + bytes(-len(head) % _ALIGNMENT), tuple(slices)


def _fields(path: Path, header: Any) -> Iterator[bytes]:
    """As they stand in the first file, but for what tells of shards and of how theirs are aligned."""
    with path.open("rb") as file:
        for key, field in header.fields.items():
            if key.startswith(_SPLIT) or key == "general.alignment":
                continue
            name = _text(key)
            file.seek(field.offset - len(name))
            yield file.read(len(name) + _size(field))


def _size(field: Any) -> int:
    """Bytes of a value with its type before it."""
    from hone_hub.gguf.format import SCALARS, ValueType  # noqa: PLC0415

    def one(kind: Any, value: Any) -> int:
        return 8 + len(value.encode()) if kind is ValueType.STRING else SCALARS[kind].size

    if field.type is not ValueType.ARRAY:
        return 4 + one(field.type, field.scalar)
    return 4 + 4 + 8 + sum(one(field.item_type, item) for item in field.items)


def _text(text: str) -> bytes:
    content = text.encode()
    return struct.pack("<Q", len(content)) + content


def merge(work: MergeWork, tell: Tell) -> dict[str, Any]:
    """Raises HubError."""
    head, slices = layout(work.paths)
    total = len(head) + sum(each.size_bytes + each.padding for each in slices)
    digest, done = hashlib.sha256(), 0
    try:
        for piece in pieces(head, slices):
            digest.update(piece)
            done += len(piece)
            tell(work.paths[0].name, done, total)
    except OSError as error:
        raise FileUnreadable(work.paths[0], error) from error
    return {
        "head": base64.b64encode(head).decode(),
        "slices": [
            (work.paths.index(each.path), each.offset, each.size_bytes, each.padding) for each in slices
        ],
        "sha256": digest.hexdigest(),
        "size_bytes": total,
    }


if __name__ == "__main__":
    serve(MergeWork, merge, "digest")
