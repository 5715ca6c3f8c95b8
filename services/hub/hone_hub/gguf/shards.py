"""A model in several files, judged as the one that a loader makes of them.

Source: llama.cpp, src/llama-model-loader.cpp, which takes the first file's keys and everybody's tensors.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from ..errors import CorruptGGUF
from .format import MAX_TENSORS
from .header import Header, Tensor
from .reader import read_file

_PREFIX = "split."


def read_shards(paths: Sequence[Path]) -> Header:
    """The header of all files together, without what says that they are several; `paths` in their order.

    Raises GGUFError where they are not the parts of one model, FileMissing or FileUnreadable.
    """
    headers = [read_file(path) for path in paths]
    tensors: dict[str, Tensor] = {}
    for at, (path, header) in enumerate(zip(paths, headers, strict=True)):
        _check_place(path, header, at, headers)
        for name, tensor in header.tensors.items():
            if name in tensors:
                raise CorruptGGUF(f"tensor {name!r} is in two shards, in {path.name} again")
            tensors[name] = tensor
        if len(tensors) > MAX_TENSORS:
            raise CorruptGGUF(f"the shards hold more than {MAX_TENSORS} tensors")
    first = headers[0]
    claimed = first.integer(f"{_PREFIX}tensors.count")
    if claimed is not None and claimed != len(tensors):
        raise CorruptGGUF(f"the shards hold {len(tensors)} tensors, {paths[0].name} claims {claimed}")
    return replace(
        first,
        fields={key: field for key, field in first.fields.items() if not key.startswith(_PREFIX)},
        tensors=tensors,
        data_offset=sum(header.data_offset for header in headers),
        data_bytes=sum(header.data_bytes for header in headers),
        file_bytes=sum(header.file_bytes for header in headers),
    )


def _check_place(path: Path, header: Header, at: int, headers: Sequence[Header]) -> None:
    count, number = header.integer(f"{_PREFIX}count"), header.integer(f"{_PREFIX}no")
    if count != len(headers):
        raise CorruptGGUF(f"{path.name} is of a model in {count or 1} files, {len(headers)} are here")
    if number != at:
        raise CorruptGGUF(f"{path.name} says that it is number {number} of {count}, it is named as {at}")
    if header.architecture not in (None, headers[0].architecture):
        raise CorruptGGUF(f"{path.name} is of a {header.architecture}, the first file of another model")
