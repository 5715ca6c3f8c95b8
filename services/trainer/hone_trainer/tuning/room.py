"""What a run will write to disks, and whether there is room for all of it before the first byte is written."""

import shutil
from collections import defaultdict
from collections.abc import Mapping
from pathlib import Path

from hone_trainer.tuning.errors import NotEnoughDisk
from hone_trainer.tuning.settings import Settings
from hone_trainer.tuning.shards import open_shards, tensors_of

_BITS = {
    "f32": 32.0, "f16": 16.0, "bf16": 16.0, "q8_0": 8.5, "q6_k": 6.6, "q5_k_m": 5.7, "q5_0": 5.5, "q4_k_m": 4.9,
    "q4_0": 4.5,
}  # fmt: skip
"""A weight in a GGUF file, scales included; the mixes as llama.cpp makes them of models of some billion weights."""

_SPARE_BYTES = 256 << 20  # tokenizers, logs, the folder that the engine's reading is asked with
_ADAM = 3  # the adapter and its two moments, all in fp32
_TOKEN_BYTES = 6  # its number, whether it is trained, and its part of the sequence's figures


def parts_of(base: Path, settings: Settings, adapter: int, tokens: int) -> dict[str, int]:
    """Bytes by what they are of: checkpoints (those that are kept and one that is being written; each has the best
    weights, too), the adapter, the merged model, its GGUF, and the provider's copy of it. ``adapter`` and ``tokens``
    count numbers and tokens. Raises FolderUnreadable."""
    tensors = tensors_of(open_shards(base)).values()
    weights = sum(_count(each.shape) for each in tensors)
    # `auto` is the quantization of the file that is replaced, which the service knows; 8 bits is the usual one.
    bits = _BITS.get(settings.quantization, _BITS["q8_0"])
    gguf = int(weights * bits / 8 * 1.02)
    return {
        "checkpoints": (settings.keep_checkpoints + 1) * (_ADAM + 1) * 4 * adapter,
        "adapter": 4 * adapter,
        "merged": sum(each.size_bytes for each in tensors),
        "gguf": gguf,
        "served copy": gguf,
        "tokens": tokens * _TOKEN_BYTES,
        "spare": _SPARE_BYTES,
    }


def check(writings: Mapping[Path, Mapping[str, int]]) -> None:
    """Folders on one disk share its room. Raises NotEnoughDisk."""
    by_disk: dict[int, list[tuple[Path, Mapping[str, int]]]] = defaultdict(list)
    for folder, parts in writings.items():
        there = next(each for each in (folder, *folder.absolute().parents) if each.exists())
        by_disk[there.stat().st_dev].append((there, parts))
    for on_disk in by_disk.values():
        together: dict[str, int] = {}
        for _, parts in on_disk:
            for name, size in parts.items():
                together[name] = together.get(name, 0) + size
        free = shutil.disk_usage(on_disk[0][0]).free
        if sum(together.values()) > free:
            raise NotEnoughDisk(on_disk[0][0], together, free)


def _count(shape: tuple[int, ...]) -> int:
    count = 1
    for each in shape:
        count *= each
    return count
