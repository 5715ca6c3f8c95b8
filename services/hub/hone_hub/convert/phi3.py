"""The Phi-3 family: Phi3ForCausalLM (3, 3.5, and 4-mini)."""

from __future__ import annotations

from gguf import GGUFWriter

from ..errors import ModelUnsupported
from .checkpoint import JsonObject
from .decoder import Decoder, Matrix, Shape
from .rope import Linear, Llama3, Rope, Yarn, read_rope, settings_of


class Phi3(Decoder):
    """Queries, keys and values in one matrix, gate and up in another; a rope with a factor for each frequency."""

    gguf_name = "phi3"
    rotates_partly = True

    def matrices(self, shape: Shape) -> dict[str, Matrix]:
        return {
            "self_attn.qkv_proj": Matrix("attn_qkv", (shape.queries + 2 * shape.keys, shape.width)),
            "self_attn.o_proj": Matrix("attn_output", (shape.width, shape.queries)),
            "mlp.gate_up_proj": Matrix("ffn_up", (2 * shape.ffn, shape.width)),
            "mlp.down_proj": Matrix("ffn_down", (shape.width, shape.ffn)),
        }

    def rope(self, config: JsonObject, head_dim: int, context: int) -> Rope:
        settings = settings_of(config)
        if settings.get("rope_type", settings.get("type")) == "yarn" and "short_factor" in settings:
            settings["rope_type"] = "longrope"  # so it was called in the first versions
        rope = read_rope(settings, head_dim, context)
        if isinstance(rope.scaling, Linear | Llama3 | Yarn):
            raise ModelUnsupported(
                "Phi-3's rope has factors of its own or is not scaled", "look for a GGUF of this model"
            )
        return rope

    def warnings(self, shape: Shape) -> list[str]:
        told = "the repository's own code was not run: its weights are read as transformers' own Phi-3"
        return [*super().warnings(shape), *([told] if shape.config.get("auto_map") else [])]

    def more_metadata(self, shape: Shape, writer: GGUFWriter) -> None:
        # Zero is how llama.cpp is told that it need not guess a window of Phi-3's first versions.
        writer.add_sliding_window(0)
        if shape.rope.scaling is None:
            writer.add_rope_scaling_orig_ctx_len(shape.context)
