"""A first look at a model file, before native code reads it.

The hub checks a GGUF thoroughly when it comes in; this catches what was cut short or overwritten since.
Format: https://github.com/ggml-org/ggml/blob/master/docs/gguf.md
"""

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
