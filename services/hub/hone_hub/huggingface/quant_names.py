"""What file names of GGUF repositories say: the quantization, shards, and what are no weights."""

import re
from dataclasses import dataclass

# The last such name in a file's name is its quantization: "Llama-3-Q8-distill-Q4_K_M.gguf" is Q4_K_M.
_QUANT = re.compile(
    r"(?<![A-Z0-9])(?P<dynamic>UD-)?"
    r"(?P<name>(?:IQ[1-4]_(?:XXS|XS|NL|S|M)|T?Q[1-8]_(?:K_XL|K_L|K_M|K_S|K|0|1)(?:_XL|_L|_M|_S)?|MXFP4(?:_MOE)?|NVFP4|BF16|F16|FP16|F32|FP32))"
    r"(?![A-Z0-9])"
)
_SAME = {"FP16": "F16", "FP32": "F32"}
_SHARD = re.compile(r"-(?P<number>\d{5})-OF-(?P<count>\d{5})$")
UNNAMED = "?"
"""Of a file whose name says nothing."""
_UNQUANTIZED = frozenset({UNNAMED, "F32", "F16", "BF16"})


@dataclass(frozen=True)
class GGUFName:
    """``stem`` is the same for all shards of a model."""

    stem: str
    quant: str
    shard: int = 1
    shards: int = 1


def read(path: str) -> GGUFName:
    """Of a ``.gguf`` file in a repository, folders included: some keep each quantization in one of its name."""
    stem = path[: -len(".gguf")]
    upper = stem.upper()
    shard = _SHARD.search(upper)
    number, count = (int(shard["number"]), int(shard["count"])) if shard else (1, 1)
    if shard:
        stem, upper = stem[: shard.start()], upper[: shard.start()]
    found = list(_QUANT.finditer(upper))
    return GGUFName(stem, _quant(found[-1]) if found else UNNAMED, number, count)


def is_projector(path: str) -> bool:
    """What turns images into tokens for a model beside it."""
    return "mmproj" in path.rsplit("/", maxsplit=1)[-1].lower()


def is_importance_matrix(path: str) -> bool:
    name = path.rsplit("/", maxsplit=1)[-1].lower()
    if name.endswith(".gguf") and read(name).quant not in _UNQUANTIZED:
        return False  # weights that were made with one: "model-Q4_K_M-imatrix.gguf"
    return "imatrix" in name and (name.endswith((".dat", ".gguf", ".gguf_file")) or "." not in name)


def _quant(match: re.Match[str]) -> str:
    name = _SAME.get(match["name"], match["name"])
    return f"{match['dynamic'] or ''}{name}"
