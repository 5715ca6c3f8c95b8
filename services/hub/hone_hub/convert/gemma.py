"""The Gemma families: Gemma2ForCausalLM, Gemma3ForCausalLM, and the text part of Gemma3ForConditionalGeneration."""

from __future__ import annotations

import math
from typing import ClassVar

from gguf import GGUFWriter

from ..errors import ModelUnsupported, SourceInvalid
from .checkpoint import JsonObject
from .decoder import Decoder, Shape, count, number
from .rope import Linear, Rope, read_rope, settings_of
from .text_part import TextPart

_LOOK_FOR_GGUF = "look for a GGUF of this model"


class Gemma2(Decoder):
    """Norms before and after each part, capped logits, every second layer sliding, the embedding as output."""

    gguf_name = "gemma2"
    activations: ClassVar[tuple[str, ...]] = (
        "gelu_pytorch_tanh",
        "gelu",
    )  # the second in old files, and never meant
    tied_by_default = True
    norms: ClassVar[dict[str, str]] = {
        "input_layernorm": "attn_norm",
        "post_attention_layernorm": "post_attention_norm",
        "pre_feedforward_layernorm": "ffn_norm",
        "post_feedforward_layernorm": "post_ffw_norm",
    }
    norm_added = 1.0
    knows_windows = True
    slides_every = 2
    """One layer in so many does not slide."""
    largest_layers = 46
    """llama.cpp knows the model that divides attention otherwise by its layers."""

    def check(self, shape: Shape) -> None:
        config = shape.config
        if config.get("attention_bias", False) is True or not shape.tied:
            raise ModelUnsupported(
                f"a {self.gguf_name} model with biases, or an output of its own, is not known", _LOOK_FOR_GGUF
            )
        self._check_layer_types(config, shape)
        scalar = number(config, "query_pre_attn_scalar") or 256.0
        largest = shape.layers == self.largest_layers
        expected = shape.width / shape.heads if largest else shape.head_dim
        if not math.isclose(scalar, expected):
            raise ModelUnsupported(
                f"query_pre_attn_scalar is {scalar:g}, llama.cpp divides by {expected:g}", _LOOK_FOR_GGUF
            )

    def _check_layer_types(self, config: JsonObject, shape: Shape) -> None:
        expected = [
            "full_attention" if (layer + 1) % self.slides_every == 0 else "sliding_attention"
            for layer in range(shape.layers)
        ]
        pattern = config.get("sliding_window_pattern", self.slides_every)
        if config.get("layer_types", expected) != expected or pattern != self.slides_every:
            raise ModelUnsupported(
                f"other layers slide than every but the {self.slides_every}th", _LOOK_FOR_GGUF
            )

    def more_metadata(self, shape: Shape, writer: GGUFWriter) -> None:
        writer.add_sliding_window(count(shape.config, "sliding_window", 4096))
        for key, add in (
            ("attn_logit_softcapping", writer.add_attn_logit_softcapping),
            ("final_logit_softcapping", writer.add_final_logit_softcapping),
        ):
            cap = number(shape.config, key)
            if cap is None:
                raise ModelUnsupported(f"a Gemma 2 model without {key} is not known", _LOOK_FOR_GGUF)
            add(cap)


class Gemma3(Gemma2):
    """Norms over each head's queries and keys instead of caps; five layers of six slide, with a rope of their own."""

    gguf_name = "gemma3"
    activations: ClassVar[tuple[str, ...]] = ("gelu_pytorch_tanh",)
    slides_every = 6
    largest_layers = 62

    def head_norms(self) -> dict[str, str]:
        return {"self_attn.q_norm": "attn_q_norm", "self_attn.k_norm": "attn_k_norm"}

    def check(self, shape: Shape) -> None:
        super().check(shape)
        for key in ("attn_logit_softcapping", "final_logit_softcapping", "use_bidirectional_attention"):
            if shape.config.get(key):
                raise ModelUnsupported(f"a Gemma 3 model with {key} is not known", _LOOK_FOR_GGUF)

    def rope(self, config: JsonObject, head_dim: int, context: int) -> Rope:
        """Of the layers that see everything. llama.cpp has the others' built in."""
        both = config.get("rope_parameters")
        if isinstance(both, dict) and "full_attention" in both:
            full, sliding = both["full_attention"], both.get("sliding_attention", {})
            if not isinstance(full, dict) or not isinstance(sliding, dict):
                raise SourceInvalid("the rope settings in config.json are malformed", "download it again")
        else:
            full = {"rope_theta": 1_000_000.0} | settings_of(config)
            sliding = {"rope_theta": config.get("rope_local_base_freq", 10_000.0)}
        local = read_rope({"rope_theta": 10_000.0} | sliding, head_dim, context)
        if local != Rope(10_000.0, head_dim):
            raise ModelUnsupported("the sliding layers' rope is not Gemma 3's", _LOOK_FOR_GGUF)
        rope = read_rope({"rope_theta": 1_000_000.0} | full, head_dim, context)
        if rope.scaling is not None and not isinstance(rope.scaling, Linear):
            raise ModelUnsupported("Gemma 3's rope is scaled linearly or not at all", _LOOK_FOR_GGUF)
        return rope

    def more_metadata(self, shape: Shape, writer: GGUFWriter) -> None:
        writer.add_sliding_window(count(shape.config, "sliding_window", 4096))


class Gemma3Images(TextPart, Gemma3):
    """Gemma3ForConditionalGeneration: those of 4 billion parameters and more."""

    text_type = "gemma3_text"
