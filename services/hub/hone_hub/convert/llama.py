"""The Llama family: LlamaForCausalLM, and the Mistral models, which have the same tensors and the same graph."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from .checkpoint import JsonObject
from .decoder import Decoder, Matrix, Shape
from .rope import Rope, read_rope, settings_of
from .text_part import TextPart


class Llama(Decoder):
    gguf_name = "llama"

    def matrices(self, shape: Shape) -> dict[str, Matrix]:
        matrices = super().matrices(shape)
        for part, heads in (("self_attn.q_proj", shape.heads), ("self_attn.k_proj", shape.kv_heads)):
            matrices[part] = replace(matrices[part], row_order=rotary_order(heads, shape.head_dim))
        return matrices

    def rope(self, config: JsonObject, head_dim: int, context: int) -> Rope:
        return read_rope(settings_of(config), head_dim, context)


class Mistral(Llama):
    """The same within its sliding window, which llama.cpp's graph of the family does not have."""

    def window(self, config: JsonObject) -> int | None:
        return super().window(
            {"sliding_window": 4096} | config
        )  # transformers' default where nothing is said


class Mistral3(TextPart, Mistral):
    """Mistral3ForConditionalGeneration: Mistral Small 3.1 and 3.2."""

    text_type = "mistral"


def rotary_order(heads: int, head_dim: int) -> NDArray[np.intp]:
    """Rows of q and k in llama.cpp's order: it rotates the pairs (2i, 2i+1), transformers (i, i + head_dim/2)."""
    rows = np.arange(heads * head_dim, dtype=np.intp).reshape(heads, 2, head_dim // 2)
    return rows.swapaxes(1, 2).reshape(-1)  # [heads, head_dim/2, 2], flat
