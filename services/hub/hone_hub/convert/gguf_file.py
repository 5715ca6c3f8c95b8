"""Writes the GGUF of a recipe, tensor by tensor, and reads it back."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import BinaryIO

import gguf
import numpy as np
from gguf import GGMLQuantizationType as TensorKind

from ..errors import GGUFError, SelfCheckFailed, WeightsUnusable
from ..gguf import inspect, read_file
from .plan import PlannedTensor
from .quantize import FILE_TYPES, encode, overflows
from .recipe import Recipe, size_bytes

_ALIGNMENT = gguf.GGUF_DEFAULT_ALIGNMENT
_CHUNK_WEIGHTS = 1 << 20  # of a piece, so that its float32 copies stay at a few megabytes


def write_header(path: Path, recipe: Recipe) -> None:
    writer = gguf.GGUFWriter(None, recipe.architecture.gguf_name)
    writer.add_type("model")
    writer.add_name(recipe.name)
    if recipe.version is not None:
        writer.add_version(recipe.version)
    writer.add_file_type(FILE_TYPES[recipe.quant])
    writer.add_quantization_version(gguf.GGML_QUANT_VERSION)
    recipe.architecture.write_metadata(recipe.checkpoint.config, writer)
    recipe.vocabulary.write(writer)
    for name, text in recipe.chat_templates.items():
        writer.add_string("tokenizer.chat_template" + ("" if name == "default" else f".{name}"), text)
    for tensor, kind in recipe.steps:
        writer.add_tensor_info(tensor.name, tensor.shape, np.dtype("float32"), size_bytes(tensor, kind), kind)
    writer.write_header_to_file(path)
    writer.write_kv_data_to_file()
    writer.write_ti_data_to_file()
    writer.close()


def write_tensors(path: Path, recipe: Recipe, on_bytes: Callable[[int, int], None]) -> None:
    """Appends the weights to the header at `path`; `on_bytes(tensor number, bytes)` is called for each piece.

    Pieces are read and encoded on all cores, and written in their order. Few are on their way at a time, so that the
    memory stays at some megabytes a core, however large a tensor is.
    """
    with path.open("ab") as stream, ThreadPoolExecutor(_cores()) as threads:
        _pad(stream)
        tensor_of = -1
        for number, piece in _in_order(threads, _pieces(recipe)):
            if number != tensor_of:
                _pad(stream)  # after the one before
                tensor_of = number
            stream.write(piece)
            on_bytes(number, len(piece))
        _pad(stream)
        stream.flush()
        os.fsync(stream.fileno())


def check(path: Path, recipe: Recipe) -> None:
    """Raises SelfCheckFailed unless the hostile-file reader finds exactly the planned model at `path`."""
    try:
        report = inspect(path, render=False)
        found = {name: tensor.shape[::-1] for name, tensor in read_file(path).tensors.items()}
    except GGUFError as error:
        raise SelfCheckFailed(str(error)) from error
    if errors := [problem.message for problem in report.problems if problem.severity == "error"]:
        raise SelfCheckFailed(errors[0])
    if found != {tensor.name: tensor.shape for tensor in recipe.plan.tensors}:
        raise SelfCheckFailed("its tensors are not those that were planned")


_Piece = tuple[int, PlannedTensor, TensorKind, int, int]
"""A tensor's number, the tensor, its type, and which of its rows."""


def _pieces(recipe: Recipe) -> Iterator[_Piece]:
    for number, (tensor, kind) in enumerate(recipe.steps):
        step = max(1, _CHUNK_WEIGHTS // tensor.columns)
        for start in range(0, tensor.rows, step):
            yield number, tensor, kind, start, min(start + step, tensor.rows)


def _in_order(threads: ThreadPoolExecutor, pieces: Iterator[_Piece]) -> Iterator[tuple[int, bytes]]:
    """The pieces encoded, a few ahead of whoever takes them."""
    waiting: deque[tuple[int, Future[bytes]]] = deque()
    try:
        for piece in pieces:
            waiting.append((piece[0], threads.submit(_encoded, *piece[1:])))
            if len(waiting) > 2 * _cores():
                number, encoded = waiting.popleft()
                yield number, encoded.result()
        for number, encoded in waiting:
            yield number, encoded.result()
    finally:
        for _, encoded in waiting:
            encoded.cancel()


def _encoded(tensor: PlannedTensor, kind: TensorKind, start: int, stop: int) -> bytes:
    """As stored in the file. Raises WeightsUnusable, SourceInvalid."""
    values = tensor.read(start, stop)
    if not np.isfinite(values).all():
        raise WeightsUnusable(
            f"{tensor.name} holds NaN or infinity", "the checkpoint is broken: get it again"
        )
    encoded = encode(values, kind)
    if overflows(encoded, kind):
        raise WeightsUnusable(
            f"{tensor.name} has weights too large for {kind.name}", "use --quant bf16 or f32"
        )
    return encoded.tobytes()


def _cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _pad(stream: BinaryIO) -> None:
    stream.write(b"\0" * (-stream.tell() % _ALIGNMENT))
