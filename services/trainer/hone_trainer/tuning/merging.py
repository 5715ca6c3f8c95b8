"""An adapter and its 16-bit base become one model, tensor by tensor, in bounded memory.

Each file of weights is written as the base's own is, byte for byte, but for the matrices that the adapter changes:
those are computed in fp32, some rows at a time, and rounded once to the type in which the base keeps them. A base
of 4 or 8 bits is refused: rounding to its grid would undo most of what was learned (KL 0.36 against 7e-5 into 16
bits). The folder is there whole or not at all.
"""

import errno
import json
import os
import shutil
from collections.abc import Callable, Collection, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, BinaryIO

import torch
from torch import Tensor

from hone_trainer.tuning.adapter_files import Change, plain_name, read_changes
from hone_trainer.tuning.errors import (
    AdapterOfAnotherBase,
    AdapterUnfit,
    BaseQuantized,
    DiskFull,
    FolderUnreadable,
    MergeOverflows,
    NotWritten,
)
from hone_trainer.tuning.fingerprint import check_belongs
from hone_trainer.tuning.shards import (
    FLOATS,
    Shard,
    Stored,
    open_shards,
    plain_file,
    read_json,
    rows,
    tensors_of,
)

AT_ONCE_BYTES = 64 << 20
"""Of a matrix in fp32, or of a file that is copied."""

COPIED = (
    "config.json", "generation_config.json", "tokenizer.json", "tokenizer_config.json", "special_tokens_map.json",
    "added_tokens.json", "vocab.json", "merges.txt", "tokenizer.model", "chat_template.jinja", "chat_template.json",
    "preprocessor_config.json", "processor_config.json", "model.safetensors.index.json",
)  # fmt: skip
"""What belongs to a model beside its weights; more than these, its licences and further templates is left behind."""

_LICENCES = ("LICENSE*", "LICENCE*", "NOTICE*", "USE_POLICY*")
_MORE_TEMPLATES = "additional_chat_templates"

Step = Callable[[int, int], None]
"""Hears how many bytes of how many are written."""


@dataclass(frozen=True)
class Merged:
    """``changed`` of ``tensors`` were merged. ``ends_added``: ends of a turn that generation_config.json lacked."""

    tensors: int
    changed: int
    weights_bytes: int
    dtype: str
    largest_change: float
    ends_added: tuple[int, ...] = ()

    def figures(self) -> dict[str, Any]:
        return asdict(self)


def check(base: Path, adapter: Path) -> None:
    """Whether ``adapter`` can be merged into ``base``, before time is spent.

    Raises AdapterUnfit, AdapterOfAnotherBase, BaseQuantized, FolderUnreadable.
    """
    check_unquantized(base)
    _planned(base, adapter, open_shards(base))
    check_belongs(adapter, base)


def check_unquantized(base: Path) -> None:
    """Raises BaseQuantized, FolderUnreadable: also for weights whose config.json keeps quiet about it."""
    config = read_json(base, "config.json")
    text = config.get("text_config")
    for part in (config, text if isinstance(text, dict) else {}):
        told = part.get("quantization_config") or part.get("quantization") or part.get("compression_config")
        if told:
            method = told.get("quant_method") if isinstance(told, dict) else None
            raise BaseQuantized(base, str(method or "a method it does not name"))
    for stored in tensors_of(open_shards(base)).values():
        if len(stored.shape) > 1 and stored.dtype not in FLOATS:
            raise BaseQuantized(base, f"{stored.dtype}, as {stored.name[:200]} is stored")


def merge(
    base: Path, adapter: Path, out: Path, *, ends: Collection[int] = (), step: Step | None = None
) -> Merged:
    """Write ``out``, a folder in Hugging Face's layout; one that is there is replaced.

    ``ends`` are the tokens that end an answer as it was trained: the model that is deployed has to stop at them.
    Raises what `check` raises, and DiskFull, MergeOverflows, NotWritten.
    """
    check(base, adapter)
    shards = open_shards(base)
    changes = _planned(base, adapter, shards)
    total = sum(shard.path.stat().st_size for shard in shards)
    partial = out.with_name(f".{out.name}.partial")
    shutil.rmtree(partial, ignore_errors=True)
    try:
        partial.mkdir(parents=True)
        _check_room(partial, total)
        largest = _write_all(shards, changes, partial, step or (lambda _done, _total: None), total)
        added = _copy_files(base, partial, ends)
        shutil.rmtree(out, ignore_errors=True)
        partial.replace(out)
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise DiskFull(out.parent, total) from error
        raise NotWritten(out, error) from error
    finally:
        shutil.rmtree(partial, ignore_errors=True)
    stored = tensors_of(shards)
    kinds = {stored[name].dtype for name in changes}
    return Merged(len(stored), len(changes), total, "+".join(sorted(kinds)), largest, added)


def _planned(base: Path, adapter: Path, shards: list[Shard]) -> dict[str, Change]:
    """What happens to which tensor of the base's files: every module of the adapter has to be found."""
    changes = read_changes(adapter)
    by_plain_name: dict[str, list[Stored]] = {}
    for each in tensors_of(shards).values():
        by_plain_name.setdefault(plain_name(each.name), []).append(each)
    planned: dict[str, Change] = {}
    for module, change in changes.items():
        found = by_plain_name.get(f"{module}.weight", [])
        if len(found) != 1:
            raise AdapterOfAnotherBase(
                adapter, base, f"it changes {change.module[:200]}, which is not in the base"
            )
        (stored,) = found
        if stored.shape != change.shape:
            told = f"{change.module[:200]} is {list(stored.shape)} in the base and {list(change.shape)} in it"
            raise AdapterOfAnotherBase(adapter, base, told)
        planned[stored.name] = change
    if _tied(read_json(base, "config.json")) and (
        outer := {"lm_head", "embed_tokens", "wte"} & changes.keys()
    ):
        raise AdapterUnfit(adapter, f"changes {min(outer)}, and the base's embedding and head are one matrix")
    return planned


def _tied(config: dict[str, Any]) -> bool:
    """As transformers has it; where nothing is said, families differ, and most tie."""
    text = config.get("text_config")
    told = config.get(
        "tie_word_embeddings", (text if isinstance(text, dict) else {}).get("tie_word_embeddings")
    )
    return told is not False


def _check_room(folder: Path, needed: int) -> None:
    if shutil.disk_usage(folder).free < needed:
        raise DiskFull(folder.parent, needed)


def _write_all(shards: list[Shard], changes: dict[str, Change], out: Path, step: Step, total: int) -> float:
    done, largest = 0, 0.0
    for shard in shards:
        with shard.path.open("rb") as source, (out / shard.path.name).open("wb") as target:
            target.write(shard.header)
            done += len(shard.header)
            for stored in shard.tensors:
                change = changes.get(stored.name)
                if change is None:
                    _copy(source, target, stored)
                else:
                    largest = max(largest, _merge(source, target, stored, change))
                done += stored.size_bytes
                step(done, total)
            target.flush()
            os.fsync(target.fileno())
    return largest


def _copy(source: BinaryIO, target: BinaryIO, stored: Stored) -> None:
    source.seek(stored.offset)
    left = stored.size_bytes
    while left:
        piece = source.read(min(left, AT_ONCE_BYTES))
        if not piece:
            raise FolderUnreadable(Path(source.name), f"ends within {stored.name}")
        target.write(piece)
        left -= len(piece)


@torch.no_grad()
def _merge(source: BinaryIO, target: BinaryIO, stored: Stored, change: Change) -> float:
    """Write the changed matrix; the largest change of a weight."""
    dtype, largest = FLOATS[stored.dtype], 0.0
    factors = _factors(source, stored, change)
    for start, old, added in _blocks(source, stored, change):
        new = added
        if factors is not None:
            new = added * (factors if change.transposed else factors[start : start + len(added), None])
        rounded = new.to(dtype)
        if not bool(torch.isfinite(rounded).all()):
            raise MergeOverflows(stored.name, stored.dtype)
        largest = max(largest, float((new - old).abs().max()) if new.numel() else 0.0)
        target.write(rounded.contiguous().view(torch.uint8).numpy().data)
    return largest


def _factors(source: BinaryIO, stored: Stored, change: Change) -> Tensor | None:
    """DoRA's: each output's magnitude over the norm of its weights, [outputs]. Liu et al. 2024, equation 5."""
    if change.magnitude is None:
        return None
    squares = torch.zeros(change.b.shape[0], dtype=torch.float64)
    for start, _, new in _blocks(source, stored, change):
        if change.transposed:
            squares += new.double().square().sum(0)
        else:
            squares[start : start + len(new)] = new.double().square().sum(1)
    return change.magnitude / squares.sqrt().float()


def _blocks(source: BinaryIO, stored: Stored, change: Change) -> Iterator[tuple[int, Tensor, Tensor]]:
    """Where some rows begin, as they are, and with scale·B·A added; [rows, columns] in fp32."""
    height, width = stored.shape
    at_once = max(1, AT_ONCE_BYTES // max(1, 4 * width))
    for start in range(0, height, at_once):
        stop = min(start + at_once, height)
        old = rows(source, stored, start, stop).float()
        delta = (
            (change.b @ change.a[:, start:stop]).T if change.transposed else change.b[start:stop] @ change.a
        )
        yield start, old, torch.add(old, delta, alpha=change.scale)


def _copy_files(base: Path, out: Path, ends: Collection[int]) -> tuple[int, ...]:
    licences = [path.name for pattern in _LICENCES for path in base.glob(pattern)]
    for name in [*COPIED, *licences]:
        if (base / name).exists():
            shutil.copyfile(plain_file(base, name), out / name)
    for template in sorted((base / _MORE_TEMPLATES).glob("*.jinja"))[:20]:
        (out / _MORE_TEMPLATES).mkdir(exist_ok=True)
        shutil.copyfile(plain_file(template.parent, template.name), out / _MORE_TEMPLATES / template.name)
    return _name_ends(base, out, ends)


def _name_ends(base: Path, out: Path, ends: Collection[int]) -> tuple[int, ...]:
    """Engines stop at what generation_config.json names: what was trained as an answer's end has to be there."""
    name = "generation_config.json"
    settings = read_json(base, name) if (base / name).exists() else {}
    told = settings.get("eos_token_id", read_json(base, "config.json").get("eos_token_id"))
    known = [each for each in (told if isinstance(told, list) else [told]) if isinstance(each, int)]
    added = tuple(sorted(set(ends) - set(known)))
    if added:
        settings["eos_token_id"] = [*known, *added]
        (out / name).write_text(json.dumps(settings, indent=2) + "\n", encoding="utf-8")
    return added
