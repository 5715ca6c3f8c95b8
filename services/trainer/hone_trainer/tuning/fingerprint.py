"""Which base an adapter belongs to.

An adapter says nothing about the base but a name, and two bases of one architecture take the same adapter without a
word. So a fingerprint of the base's weights is kept beside the adapter: the names, types and shapes of all tensors,
and pieces of each one's bytes. It costs a few reads a tensor however large the model is.
"""

import hashlib
import json
from pathlib import Path

from hone_trainer.tuning.errors import AdapterOfAnotherBase, FolderUnreadable
from hone_trainer.tuning.shards import Stored, open_shards, read_json

FILE = "hone_base.json"
_PIECE_BYTES = 4096
_PIECES = 4


def fingerprint(base: Path) -> str:
    """64 hexadecimal digits, the same however the weights are cut into files. Raises FolderUnreadable."""
    digests: dict[str, str] = {}
    for shard in open_shards(base):
        try:
            with shard.path.open("rb") as stream:
                for stored in shard.tensors:
                    digest = hashlib.sha256(f"{stored.dtype} {stored.shape}".encode())
                    for start in _starts(stored):
                        stream.seek(stored.offset + start)
                        digest.update(stream.read(min(_PIECE_BYTES, stored.size_bytes - start)))
                    digests[stored.name] = digest.hexdigest()
        except OSError as error:
            raise FolderUnreadable(shard.path, str(error)) from error
    return hashlib.sha256(json.dumps(sorted(digests.items())).encode()).hexdigest()


def remember(adapter: Path, base: Path) -> None:
    """Keep the base's fingerprint beside the adapter."""
    (adapter / FILE).write_text(json.dumps({"fingerprint": fingerprint(base)}) + "\n", encoding="utf-8")


def check_belongs(adapter: Path, base: Path) -> None:
    """Raises AdapterOfAnotherBase, FolderUnreadable. An adapter from elsewhere has no fingerprint, and passes."""
    if not (adapter / FILE).exists():
        return
    if read_json(adapter, FILE).get("fingerprint") != fingerprint(base):
        raise AdapterOfAnotherBase(adapter, base, "it was trained on other weights")


def _starts(stored: Stored) -> list[int]:
    """Evenly over the tensor, its beginning and end among them."""
    last = max(0, stored.size_bytes - _PIECE_BYTES)
    return sorted({last * piece // (_PIECES - 1) for piece in range(_PIECES)})
