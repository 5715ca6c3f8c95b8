"""A Hugging Face model folder becomes one GGUF file, tensor by tensor, whole or not at all."""

from __future__ import annotations

import errno
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

import gguf
import numpy as np
from gguf import GGMLQuantizationType as TensorKind
from pydantic import BaseModel

from ..errors import (
    DiskFull,
    FileMissing,
    FileUnreadable,
    GGUFError,
    SelfCheckFailed,
    TargetExists,
    WeightsUnusable,
)
from ..gguf.reader import read_file
from .architectures import architecture_of
from .checkpoint import Checkpoint
from .plan import Architecture, Plan, PlannedTensor
from .quantize import FILE_TYPES, Quant, encode, kind_for, overflows, row_bytes
from .safetensors import open_weights, to_float32
from .vocabulary import Vocabulary, read_vocabulary

_ALIGNMENT = 32
_CHUNK_WEIGHTS = 1 << 20  # quantized at a time; keeps float32 copies at a few megabytes
_HEADER_RESERVE_BYTES = 64 << 20


class ConversionProgress(BaseModel):
    """Told after every piece written."""

    tensor: str
    tensors_done: int
    tensors_total: int
    bytes_done: int
    bytes_total: int


class ConversionReport(BaseModel):
    """What was made. `parameters` counts weights of the model, computed tensors such as rope_freqs included."""

    path: Path
    architecture: str
    quant: Quant
    tensors: int
    parameters: int
    vocabulary: int
    size_bytes: int
    tensor_types: dict[str, int]
    """Bytes by tensor type."""
    chat_template: bool
    warnings: list[str]


Progress = Callable[[ConversionProgress], None]


def convert(
    source: Path,
    out: Path,
    quant: Quant,
    progress: Progress | None = None,
    *,
    force: bool = False,
    name: str | None = None,
) -> ConversionReport:
    """Converts the folder `source` to the file `out`, which appears only when it is complete and checked.

    `name` is written as general.name, by default the folder's name. Raises HubError.
    """
    if out.exists() and not force:
        raise TargetExists(out)
    if not out.parent.is_dir():
        raise FileMissing(out.parent, "create the folder first")
    checkpoint = Checkpoint(source)
    architecture = architecture_of(checkpoint.config)
    plan = architecture.plan(checkpoint.config, open_weights(checkpoint))
    vocabulary = read_vocabulary(checkpoint, plan.vocabulary_size)
    kinds = [kind_for(tensor.name, tensor.shape, quant) for tensor in plan.tensors]
    _check_disk(out, plan, kinds)
    with _temporary_beside(out) as temporary:
        _write_header(temporary, checkpoint, architecture, plan, kinds, vocabulary, quant, name)
        _write_tensors(temporary, plan, kinds, progress)
        _self_check(temporary, plan)
        temporary.replace(out)
        _sync_folder(out.parent)
    return _report(out, architecture, quant, plan, kinds, vocabulary, checkpoint)


def _size_bytes(tensor: PlannedTensor, kind: TensorKind) -> int:
    rows = tensor.shape[0] if len(tensor.shape) > 1 else 1
    return rows * row_bytes(tensor.shape[-1], kind)


def _check_disk(out: Path, plan: Plan, kinds: list[TensorKind]) -> None:
    needed = sum(_size_bytes(tensor, kind) for tensor, kind in zip(plan.tensors, kinds, strict=True))
    free = shutil.disk_usage(out.parent).free
    if needed + _HEADER_RESERVE_BYTES > free:
        raise DiskFull(out, needed + _HEADER_RESERVE_BYTES, free)


@contextmanager
def _temporary_beside(out: Path) -> Iterator[Path]:
    """A new file in the target's folder, so that the rename is atomic; removed unless it was renamed."""
    try:
        descriptor, name = tempfile.mkstemp(prefix=f".{out.name}.", suffix=".part", dir=out.parent)
    except OSError as error:
        raise FileUnreadable(out.parent, error) from error
    os.close(descriptor)
    temporary = Path(name)
    try:
        yield temporary
    except OSError as error:
        if error.errno == errno.ENOSPC:
            raise DiskFull(out, 0, shutil.disk_usage(out.parent).free) from error
        raise FileUnreadable(out, error) from error
    finally:
        temporary.unlink(missing_ok=True)


def _write_header(
    temporary: Path,
    checkpoint: Checkpoint,
    architecture: Architecture,
    plan: Plan,
    kinds: list[TensorKind],
    vocabulary: Vocabulary,
    quant: Quant,
    name: str | None,
) -> None:
    writer = gguf.GGUFWriter(None, architecture.gguf_name)
    writer.add_type("model")
    writer.add_name(name or checkpoint.folder.resolve().name)
    writer.add_file_type(FILE_TYPES[quant])
    writer.add_quantization_version(gguf.GGML_QUANT_VERSION)
    architecture.write_metadata(checkpoint.config, writer)
    vocabulary.write(writer)
    for template, text in checkpoint.chat_templates().items():
        suffix = "" if template == "default" else f".{template}"
        writer.add_string(f"tokenizer.chat_template{suffix}", text)
    for tensor, kind in zip(plan.tensors, kinds, strict=True):
        writer.add_tensor_info(
            tensor.name, tensor.shape, np.dtype("float32"), _size_bytes(tensor, kind), kind
        )
    writer.write_header_to_file(temporary)
    writer.write_kv_data_to_file()
    writer.write_ti_data_to_file()
    writer.close()


def _write_tensors(temporary: Path, plan: Plan, kinds: list[TensorKind], progress: Progress | None) -> None:
    total = sum(_size_bytes(tensor, kind) for tensor, kind in zip(plan.tensors, kinds, strict=True))
    done = 0
    with temporary.open("ab") as stream:
        _pad(stream)
        for number, (tensor, kind) in enumerate(zip(plan.tensors, kinds, strict=True)):
            for written in _write_tensor(stream, tensor, kind):
                done += written
                if progress is not None:
                    progress(
                        ConversionProgress(
                            tensor=tensor.name,
                            tensors_done=number,
                            tensors_total=len(plan.tensors),
                            bytes_done=done,
                            bytes_total=total,
                        )
                    )
            _pad(stream)
        stream.flush()
        os.fsync(stream.fileno())


def _write_tensor(stream: BinaryIO, tensor: PlannedTensor, kind: TensorKind) -> Iterator[int]:
    """Writes some rows at a time and yields the bytes of each piece."""
    stored = tensor.load()
    rows = stored.reshape(-1, stored.shape[-1])
    step = max(1, _CHUNK_WEIGHTS // rows.shape[1])
    for start in range(0, rows.shape[0], step):
        values = to_float32(np.ascontiguousarray(rows[start : start + step]))
        if not np.isfinite(values).all():
            raise WeightsUnusable(
                f"{tensor.name} holds NaN or infinity", "the checkpoint is broken: get it again"
            )
        encoded = np.ascontiguousarray(encode(values, kind))
        if overflows(encoded, kind):
            raise WeightsUnusable(
                f"{tensor.name} has weights too large for {kind.name}", "use --quant bf16 or f32"
            )
        stream.write(encoded.tobytes())
        yield encoded.nbytes


def _pad(stream: BinaryIO) -> None:
    stream.write(b"\0" * (-stream.tell() % _ALIGNMENT))


def _self_check(temporary: Path, plan: Plan) -> None:
    try:
        header = read_file(temporary)
    except GGUFError as error:
        raise SelfCheckFailed(str(error)) from error
    found = {name: tensor.shape[::-1] for name, tensor in header.tensors.items()}
    if found != {tensor.name: tensor.shape for tensor in plan.tensors}:
        raise SelfCheckFailed("its tensors are not those that were planned")


def _sync_folder(folder: Path) -> None:
    """Makes the rename itself durable."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _report(
    out: Path,
    architecture: Architecture,
    quant: Quant,
    plan: Plan,
    kinds: list[TensorKind],
    vocabulary: Vocabulary,
    checkpoint: Checkpoint,
) -> ConversionReport:
    by_type: dict[str, int] = {}
    for tensor, kind in zip(plan.tensors, kinds, strict=True):
        by_type[kind.name] = by_type.get(kind.name, 0) + _size_bytes(tensor, kind)
    return ConversionReport(
        path=out,
        architecture=architecture.gguf_name,
        quant=quant,
        tensors=len(plan.tensors),
        parameters=sum(int(np.prod(tensor.shape)) for tensor in plan.tensors),
        vocabulary=len(vocabulary.tokens),
        size_bytes=out.stat().st_size,
        tensor_types=by_type,
        chat_template=bool(checkpoint.chat_templates()),
        warnings=[*plan.warnings, *vocabulary.warnings],
    )
