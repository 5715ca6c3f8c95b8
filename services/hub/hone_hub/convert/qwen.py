"""The Qwen families: Qwen2ForCausalLM (2 and 2.5) and Qwen3ForCausalLM."""

from __future__ import annotations

from dataclasses import replace

from ..errors import ModelUnsupported
from .checkpoint import JsonObject
from .decoder import Decoder, Matrix, Shape


class Qwen2(Decoder):
    """Biases on queries, keys and values, always."""

    gguf_name = "qwen2"

    def matrices(self, shape: Shape) -> dict[str, Matrix]:
        matrices = super().matrices(shape)
        for part in ("self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj"):
            matrices[part] = replace(matrices[part], bias=True)
        return matrices

    def window(self, config: JsonObject) -> int | None:
        """Some layers slide, if any do: the context ends where that would begin to matter."""
        return super().window(config) if config.get("use_sliding_window", False) is True else None


class Qwen3(Qwen2):
    """Norms over each head's queries and keys instead of biases."""

    gguf_name = "qwen3"

    def check(self, shape: Shape) -> None:
        if shape.config.get("attention_bias", False) is True:
            raise ModelUnsupported("a Qwen 3 model with biases is not known", "look for a GGUF of this model")

    def matrices(self, shape: Shape) -> dict[str, Matrix]:
        return Decoder.matrices(self, shape)

    def head_norms(self) -> dict[str, str]:
        return {"self_attn.q_norm": "attn_q_norm", "self_attn.k_norm": "attn_k_norm"}
