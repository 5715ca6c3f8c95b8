"""From float32 rows to the bytes of a tensor type."""

from __future__ import annotations

from enum import StrEnum
from typing import Any

import gguf
import numpy as np
from gguf import GGMLQuantizationType as TensorKind
from gguf import LlamaFileType
from numpy.typing import NDArray

_BLOCK = 32  # weights that share a scale in Q8_0


class Quant(StrEnum):
    """What the matrices are stored as."""

    F32 = "f32"
    F16 = "f16"
    BF16 = "bf16"
    Q8_0 = "q8_0"


_KINDS: dict[Quant, TensorKind] = {
    Quant.F32: TensorKind.F32,
    Quant.F16: TensorKind.F16,
    Quant.BF16: TensorKind.BF16,
    Quant.Q8_0: TensorKind.Q8_0,
}

FILE_TYPES: dict[Quant, LlamaFileType] = {
    Quant.F32: LlamaFileType.ALL_F32,
    Quant.F16: LlamaFileType.MOSTLY_F16,
    Quant.BF16: LlamaFileType.MOSTLY_BF16,
    Quant.Q8_0: LlamaFileType.MOSTLY_Q8_0,
}


def kind_for(name: str, shape: tuple[int, ...], quant: Quant) -> TensorKind:
    """Norms, biases and other vectors stay F32: llama.cpp computes with them in that type, and they are small."""
    if len(shape) == 1 or name.endswith("_norm.weight"):
        return TensorKind.F32
    if quant is Quant.Q8_0 and shape[-1] % _BLOCK:
        return TensorKind.F16
    return _KINDS[quant]


def encode(rows: NDArray[np.float32], kind: TensorKind) -> NDArray[Any]:
    """`rows` [n, columns] (or a vector) as bytes of `kind`; rounding as in ggml's reference quantizers."""
    with np.errstate(over="ignore"):  # a float16 overflow is found by `overflows`
        encoded: NDArray[Any] = gguf.quants.quantize(rows, kind)
    return encoded


def overflows(encoded: NDArray[Any], kind: TensorKind) -> bool:
    """Whether finite float32 values became infinite (F16 ends at 65504, a Q8_0 block's scale is an F16)."""
    if kind is TensorKind.F16:
        return not bool(np.isfinite(encoded).all())
    if kind is TensorKind.Q8_0:
        scales = encoded.reshape(-1, 34)[:, :2].copy().view(np.float16)
        return not bool(np.isfinite(scales).all())
    return False


def row_bytes(columns: int, kind: TensorKind) -> int:
    block, size_bytes = gguf.GGML_QUANT_SIZES[kind]
    return int(columns // block * size_bytes)
