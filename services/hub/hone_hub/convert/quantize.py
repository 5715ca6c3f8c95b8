"""What tensors are stored as, and from float32 rows to the bytes of that."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Any

import gguf
import numpy as np
from gguf import GGMLQuantizationType as TensorKind
from gguf import LlamaFileType
from numpy.typing import NDArray

from .ggml import QUANTIZED, quantizer


class Quant(StrEnum):
    """What the matrices are stored as. K-quants mix types: what matters more gets more bits."""

    F32 = "f32"
    F16 = "f16"
    BF16 = "bf16"
    Q8_0 = "q8_0"
    Q6_K = "q6_k"
    Q5_K_M = "q5_k_m"
    Q5_0 = "q5_0"
    Q4_K_M = "q4_k_m"
    Q4_0 = "q4_0"


_KINDS: dict[Quant, TensorKind] = {
    Quant.F32: TensorKind.F32,
    Quant.F16: TensorKind.F16,
    Quant.BF16: TensorKind.BF16,
    Quant.Q8_0: TensorKind.Q8_0,
    Quant.Q6_K: TensorKind.Q6_K,
    Quant.Q5_K_M: TensorKind.Q5_K,
    Quant.Q5_0: TensorKind.Q5_0,
    Quant.Q4_K_M: TensorKind.Q4_K,
    Quant.Q4_0: TensorKind.Q4_0,
}

FILE_TYPES: dict[Quant, LlamaFileType] = {
    Quant.F32: LlamaFileType.ALL_F32,
    Quant.F16: LlamaFileType.MOSTLY_F16,
    Quant.BF16: LlamaFileType.MOSTLY_BF16,
    Quant.Q8_0: LlamaFileType.MOSTLY_Q8_0,
    Quant.Q6_K: LlamaFileType.MOSTLY_Q6_K,
    Quant.Q5_K_M: LlamaFileType.MOSTLY_Q5_K_M,
    Quant.Q5_0: LlamaFileType.MOSTLY_Q5_0,
    Quant.Q4_K_M: LlamaFileType.MOSTLY_Q4_K_M,
    Quant.Q4_0: LlamaFileType.MOSTLY_Q4_0,
}

# What rows are stored as that no block of the type fits.
_INSTEAD: dict[TensorKind, TensorKind] = {
    TensorKind.Q4_K: TensorKind.Q5_0,
    TensorKind.Q5_K: TensorKind.Q5_1,
    TensorKind.Q6_K: TensorKind.Q8_0,
}
# Where the float16 scales of a block lie.
_SCALES: dict[TensorKind, slice] = {
    TensorKind.Q8_0: slice(0, 2),
    TensorKind.Q4_0: slice(0, 2),
    TensorKind.Q5_0: slice(0, 2),
    TensorKind.Q5_1: slice(0, 4),
    TensorKind.Q4_K: slice(0, 4),
    TensorKind.Q5_K: slice(0, 4),
    TensorKind.Q6_K: slice(208, 210),
}


@dataclass(frozen=True)
class Mix:
    """Which type each tensor of a dense model gets.

    Source: llama.cpp, src/llama-quant.cpp, llama_tensor_get_type (without importance matrix). ``tied``: the embedding
    is the output, too.
    """

    quant: Quant
    layers: int
    tied: bool

    def kind(self, name: str, shape: tuple[int, ...]) -> TensorKind:
        """Norms, biases and other vectors stay F32: llama.cpp computes with them in that type, and they are small."""
        if len(shape) == 1 or name.endswith("_norm.weight"):
            return TensorKind.F32
        return _that_fits(self._wanted(name), shape[-1])

    def _wanted(self, name: str) -> TensorKind:
        base = _KINDS[self.quant]
        if base not in QUANTIZED or base is TensorKind.Q8_0:
            return base
        if name == ("token_embd.weight" if self.tied else "output.weight"):
            return TensorKind.Q6_K
        if self.quant not in (Quant.Q4_K_M, Quant.Q5_K_M):
            return base
        layer, part = _place(name)
        if part == "attn_qkv":
            return TensorKind.Q5_K if self.quant is Quant.Q4_K_M else TensorKind.Q6_K
        if part in ("attn_v", "ffn_down") and self._matters(layer):
            return TensorKind.Q6_K
        return base

    def _matters(self, layer: int) -> bool:
        """The first eighth of the layers, the last, and every third between."""
        eighth = self.layers // 8
        return layer < eighth or layer >= 7 * self.layers // 8 or (layer - eighth) % 3 == 2


def _place(name: str) -> tuple[int, str]:
    """Of ``blk.7.attn_v.weight``: 7 and ``attn_v``."""
    parts = name.split(".")
    return (int(parts[1]), parts[2]) if len(parts) > 3 and parts[0] == "blk" else (0, "")


def _that_fits(kind: TensorKind, columns: int) -> TensorKind:
    if columns % gguf.GGML_QUANT_SIZES[kind][0] == 0:
        return kind
    instead = _INSTEAD.get(kind, TensorKind.F16)
    return instead if columns % gguf.GGML_QUANT_SIZES[instead][0] == 0 else TensorKind.F16


def encode(rows: NDArray[np.float32], kind: TensorKind) -> NDArray[Any]:
    """Finite ``rows`` [n, columns] as bytes of `kind`; rounding as in ggml's reference quantizers.

    Raises QuantizerUnusable.
    """
    if kind in QUANTIZED:
        return quantizer().quantize(rows, kind)
    with np.errstate(over="ignore"):  # a float16 overflow is found by `overflows`
        encoded: NDArray[Any] = gguf.quants.quantize(rows, kind)
    return encoded


def overflows(encoded: NDArray[Any], kind: TensorKind) -> bool:
    """Whether finite float32 values became infinite (F16 ends at 65504, and the scales of blocks are F16)."""
    if kind is TensorKind.F16:
        return not bool(np.isfinite(encoded).all())
    if kind in _SCALES:
        size_bytes = gguf.GGML_QUANT_SIZES[kind][1]
        scales = encoded.reshape(-1, size_bytes)[:, _SCALES[kind]].copy().view(np.float16)
        return not bool(np.isfinite(scales).all())
    return False


def row_bytes(columns: int, kind: TensorKind) -> int:
    block, size_bytes = gguf.GGML_QUANT_SIZES[kind]
    return int(columns // block * size_bytes)
