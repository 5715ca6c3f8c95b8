"""A first look at a model file, before native code reads it.

The hub checks a GGUF thoroughly when it comes in; this catches what was cut short or overwritten since.
Format: https://github.com/ggml-org/ggml/blob/master/docs/gguf.md
"""

import re
import struct
from pathlib import Path

_HEADER = struct.Struct("<4sIQQ")  # magic, version, number of tensors, number of metadata entries
# The least that one of each can take: a name's length, a name of one byte and the fixed fields.
_MIN_TENSOR_BYTES = 8 + 1 + 4 + 8 + 4 + 8
_MIN_ENTRY_BYTES = 8 + 1 + 4 + 1


class NotAModelFile(Exception):
    """``reason`` says what is wrong with the file."""

    def __init__(self, path: Path, reason: str) -> None:
        super().__init__(f"{path}: {reason}")
        self.path = path
        self.reason = reason


_SEARCHED_BYTES = 64 * 1024  # hyperparameters stand before the vocabulary, which is long
# The end of the key, its type (4: uint32, 10: uint64; both little-endian, and no context needs more than 32 bits).
_CONTEXT_LENGTH = re.compile(rb"\.context_length(?:\x04|\x0a)\x00{3}(?P<value>.{4})", re.DOTALL)


def check_header(path: Path) -> int:
    """Returns the file's size in bytes. Raises NotAModelFile."""
    try:
        size_bytes = path.stat().st_size
        with path.open("rb") as file:
            head = file.read(_HEADER.size)
    except OSError as error:
        raise NotAModelFile(path, error.strerror or str(error)) from error
    if len(head) < _HEADER.size:
        raise NotAModelFile(path, f"it has only {size_bytes} bytes")
    magic, version, tensors, entries = _HEADER.unpack(head)
    if magic != b"GGUF":
        raise NotAModelFile(path, "it is not a GGUF file")
    if version not in {2, 3}:
        raise NotAModelFile(path, f"GGUF version {version} is not known")
    if not tensors:
        raise NotAModelFile(path, "it holds no tensors")
    if tensors * _MIN_TENSOR_BYTES + entries * _MIN_ENTRY_BYTES > size_bytes:
        raise NotAModelFile(path, f"{tensors} tensors and {entries} entries do not fit {size_bytes} bytes")
    return size_bytes


def context_length(path: Path) -> int | None:
    """How many tokens the model was trained to read, as its file says; None where it does not say so early.

    Looked for rather than parsed: it decides nothing but how much is put before a question, and a file that lies has
    its prompts refused as too long.
    """
    try:
        with path.open("rb") as file:
            found = _CONTEXT_LENGTH.search(file.read(_SEARCHED_BYTES))
    except OSError:
        return None
    return int.from_bytes(found["value"], "little") if found is not None else None
