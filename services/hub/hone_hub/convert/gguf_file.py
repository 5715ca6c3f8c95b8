"""Writes the GGUF of a recipe, tensor by tensor, and reads it back."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
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
from .safetensors import to_float32

_ALIGNMENT = gguf.GGUF_DEFAULT_ALIGNMENT
_CHUNK_WEIGHTS = 1 << 20  # quantized at a time, so that float32 copies stay at a few megabytes


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
    """Appends the weights to the header at `path`; `on_bytes(tensor number, bytes)` is called for each piece."""
    with path.open("ab") as stream:
        _pad(stream)
        for number, (tensor, kind) in enumerate(recipe.steps):
            for piece in _pieces(tensor, kind):
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


def _pieces(tensor: PlannedTensor, kind: TensorKind) -> Iterator[bytes]:
    """The tensor as stored in the file, some rows at a time."""
    stored = tensor.load()
    rows = stored.reshape(-1, stored.shape[-1])  # [rows, columns], a vector as one row
    step = max(1, _CHUNK_WEIGHTS // rows.shape[1])
    for start in range(0, rows.shape[0], step):
        values = to_float32(rows[start : start + step])
        if not np.isfinite(values).all():
            raise WeightsUnusable(
                f"{tensor.name} holds NaN or infinity", "the checkpoint is broken: get it again"
            )
        encoded = encode(values, kind)
        if overflows(encoded, kind):
            raise WeightsUnusable(
                f"{tensor.name} has weights too large for {kind.name}", "use --quant bf16 or f32"
            )
        yield encoded.tobytes()


def _pad(stream: BinaryIO) -> None:
    stream.write(b"\0" * (-stream.tell() % _ALIGNMENT))
