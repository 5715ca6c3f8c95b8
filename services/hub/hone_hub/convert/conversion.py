"""A Hugging Face model folder becomes one GGUF file, whole or not at all."""

from __future__ import annotations

import errno
import os
import secrets
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from pydantic import BaseModel

from ..errors import DiskFull, FileMissing, FileUnreadable, TargetExists
from .checkpoint import Checkpoint
from .gguf_file import check, write_header, write_tensors
from .quantize import Quant
from .recipe import Recipe, size_bytes

_HEADER_RESERVE_BYTES = 32 << 20  # the largest vocabularies make headers of 16 MB


class ConversionProgress(BaseModel):
    """Told after every piece written."""

    tensor: str
    tensors_done: int
    tensors_total: int
    bytes_done: int
    bytes_total: int


class ConversionReport(BaseModel):
    """What was made."""

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
    version: str | None = None,
) -> ConversionReport:
    """Converts the folder `source` to the file `out`, which appears only when it is complete and checked.

    `name` is written as general.name, by default the folder's, and `version` as general.version. An exception from
    `progress` stops the conversion and leaves nothing behind. Raises HubError.
    """
    if not out.parent.is_dir():
        raise FileMissing(out.parent, "create the folder first")
    _check_free(out, force)
    recipe = Recipe.read(Checkpoint(source), quant, name, version)
    _check_disk(out, recipe)
    with _temporary_beside(out, recipe.data_bytes) as temporary:
        write_header(temporary, recipe)
        write_tensors(temporary, recipe, _reporter(recipe, progress))
        check(temporary, recipe)
        _publish(temporary, out, force)
    return _report(out, recipe)


def _check_disk(out: Path, recipe: Recipe) -> None:
    needed = recipe.data_bytes + _HEADER_RESERVE_BYTES
    free = shutil.disk_usage(out.parent).free
    if needed > free:
        raise DiskFull(out, needed, free)


def _reporter(recipe: Recipe, progress: Progress | None) -> Callable[[int, int], None]:
    done = 0

    def on_bytes(number: int, written: int) -> None:
        nonlocal done
        done += written
        if progress is not None:
            progress(
                ConversionProgress(
                    tensor=recipe.plan.tensors[number].name,
                    tensors_done=number,
                    tensors_total=len(recipe.plan.tensors),
                    bytes_done=done,
                    bytes_total=recipe.data_bytes,
                )
            )

    return on_bytes


@contextmanager
def _temporary_beside(out: Path, needed_bytes: int) -> Iterator[Path]:
    """A new file in the target's folder, so that the rename is atomic; removed unless it was renamed."""
    temporary = out.with_name(f".{out.name}.{secrets.token_hex(8)}.part")
    try:
        temporary.touch(exist_ok=False)
        yield temporary
    except OSError as error:
        if error.errno == errno.ENOSPC:
            raise DiskFull(out, needed_bytes, shutil.disk_usage(out.parent).free) from error
        raise FileUnreadable(out, error) from error
    finally:
        temporary.unlink(missing_ok=True)


def _check_free(out: Path, force: bool) -> None:
    """What is no file (a device, a pipe) is never replaced, with force or without."""
    if out.exists() and not (force and out.is_file()):
        raise TargetExists(out)


def _publish(temporary: Path, out: Path, force: bool) -> None:
    """Renames into place durably. Without `force` a file that appeared meanwhile is not replaced."""
    _check_free(out, force)
    temporary.replace(out)
    folder = os.open(out.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def _report(out: Path, recipe: Recipe) -> ConversionReport:
    by_type: dict[str, int] = {}
    for tensor, kind in recipe.steps:
        by_type[kind.name] = by_type.get(kind.name, 0) + size_bytes(tensor, kind)
    return ConversionReport(
        path=out,
        architecture=recipe.architecture.gguf_name,
        quant=recipe.quant,
        tensors=len(recipe.plan.tensors),
        parameters=recipe.plan.parameters,
        vocabulary=len(recipe.vocabulary.tokens),
        size_bytes=out.stat().st_size,
        tensor_types=by_type,
        chat_template=bool(recipe.chat_templates),
        warnings=[*recipe.plan.warnings, *recipe.vocabulary.warnings],
    )
