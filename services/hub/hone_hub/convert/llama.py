"""The Llama family: LlamaForCausalLM, and MistralForCausalLM, which has the same tensors."""

from __future__ import annotations

import re
from dataclasses import dataclass

import numpy as np
from gguf import GGUFWriter, RopeScalingType
from numpy.typing import NDArray

from ..errors import ModelUnsupported, SourceInvalid
from .checkpoint import JsonObject
from .plan import Plan, PlannedTensor
from .rope import Rope, read_rope
from .safetensors import Weight

_CORRECT = "correct config.json or download it again"
_LAYER_PARTS = {
    "self_attn.q_proj": "attn_q",
    "self_attn.k_proj": "attn_k",
    "self_attn.v_proj": "attn_v",
    "self_attn.o_proj": "attn_output",
    "mlp.gate_proj": "ffn_gate",
    "mlp.up_proj": "ffn_up",
    "mlp.down_proj": "ffn_down",
}
# Old checkpoints store these beside the weights; both are computed.
_COMPUTED = re.compile(r"\.(rotary_emb\.inv_freq|self_attn\.masked_bias|self_attn\.bias)$")


@dataclass(frozen=True)
class LlamaShape:
    """The numbers of a config.json, checked."""

    width: int
    layers: int
    heads: int
    kv_heads: int
    head_dim: int
    ffn: int
    vocabulary: int
    context: int
    rms_eps: float
    tied: bool
    attention_bias: bool
    ffn_bias: bool
    rope: Rope

    @classmethod
    def read(cls, config: JsonObject) -> LlamaShape:
        if config.get("hidden_act", "silu") != "silu":
            raise ModelUnsupported(
                f"the activation {config['hidden_act']!r} is not Llama's silu", "look for a GGUF"
            )
        width, heads = _count(config, "hidden_size"), _count(config, "num_attention_heads")
        kv_heads = _count(config, "num_key_value_heads", heads)
        head_dim = _count(config, "head_dim", width // heads)
        if heads % kv_heads or head_dim % 2:
            problem = (
                f"{heads} heads, {kv_heads} key-value heads and a head size of {head_dim} do not go together"
            )
            raise SourceInvalid(problem, _CORRECT)
        return cls(
            width=width,
            layers=_count(config, "num_hidden_layers"),
            heads=heads,
            kv_heads=kv_heads,
            head_dim=head_dim,
            ffn=_count(config, "intermediate_size"),
            vocabulary=_count(config, "vocab_size"),
            context=_count(config, "max_position_embeddings", 2048),
            rms_eps=_epsilon(config),
            tied=config.get("tie_word_embeddings", False) is True,
            attention_bias=config.get("attention_bias", False) is True,
            ffn_bias=config.get("mlp_bias", False) is True,
            rope=read_rope(config),
        )


class Llama:
    gguf_name = "llama"

    def plan(self, config: JsonObject, weights: dict[str, Weight]) -> Plan:
        shape = LlamaShape.read(config)
        left = {name: weight for name, weight in weights.items() if not _COMPUTED.search(name)}
        if shape.tied:
            left.pop("lm_head.weight", None)
        tensors = [*_outer_tensors(shape, left)]
        for layer in range(shape.layers):
            tensors += _layer_tensors(shape, layer, left)
        if left:
            problem = (
                f"the weights hold {min(left)} ({len(left)} such in all), which a Llama model does not have"
            )
            advice = "merge adapters first; for another kind of model look for a GGUF"
            raise ModelUnsupported(problem, advice)
        return Plan(tensors, shape.vocabulary, _warnings(config))

    def write_metadata(self, config: JsonObject, writer: GGUFWriter) -> None:
        shape = LlamaShape.read(config)
        writer.add_context_length(_usable_context(config, shape.context))
        writer.add_embedding_length(shape.width)
        writer.add_block_count(shape.layers)
        writer.add_feed_forward_length(shape.ffn)
        writer.add_head_count(shape.heads)
        writer.add_head_count_kv(shape.kv_heads)
        writer.add_key_length(shape.head_dim)
        writer.add_value_length(shape.head_dim)
        writer.add_rope_dimension_count(shape.head_dim)
        writer.add_rope_freq_base(shape.rope.theta)
        writer.add_layer_norm_rms_eps(shape.rms_eps)
        writer.add_vocab_size(shape.vocabulary)
        if shape.rope.linear_factor is not None:
            writer.add_rope_scaling_type(RopeScalingType.LINEAR)
            writer.add_rope_scaling_factor(shape.rope.linear_factor)


def _outer_tensors(shape: LlamaShape, left: dict[str, Weight]) -> list[PlannedTensor]:
    tensors = [
        _take(left, "model.embed_tokens.weight", "token_embd.weight", (shape.vocabulary, shape.width)),
        _take(left, "model.norm.weight", "output_norm.weight", (shape.width,)),
    ]
    if not shape.tied:
        tensors.append(_take(left, "lm_head.weight", "output.weight", (shape.vocabulary, shape.width)))
    if shape.rope.llama3 is not None:
        factors = shape.rope.llama3.frequency_factors(shape.rope.theta, shape.head_dim)
        tensors.append(PlannedTensor("rope_freqs.weight", factors.shape, factors))
    return tensors


def _layer_tensors(shape: LlamaShape, layer: int, left: dict[str, Weight]) -> list[PlannedTensor]:
    source, target = f"model.layers.{layer}", f"blk.{layer}"
    queries, keys = shape.heads * shape.head_dim, shape.kv_heads * shape.head_dim
    shapes = {
        "attn_q": (queries, shape.width),
        "attn_k": (keys, shape.width),
        "attn_v": (keys, shape.width),
        "attn_output": (shape.width, queries),
        "ffn_gate": (shape.ffn, shape.width),
        "ffn_up": (shape.ffn, shape.width),
        "ffn_down": (shape.width, shape.ffn),
    }
    orders = {
        "attn_q": rotary_order(shape.heads, shape.head_dim),
        "attn_k": rotary_order(shape.kv_heads, shape.head_dim),
    }
    tensors = [
        _take(left, f"{source}.input_layernorm.weight", f"{target}.attn_norm.weight", (shape.width,)),
        _take(left, f"{source}.post_attention_layernorm.weight", f"{target}.ffn_norm.weight", (shape.width,)),
    ]
    for part, name in _LAYER_PARTS.items():
        order = orders.get(name)
        tensors.append(_take(left, f"{source}.{part}.weight", f"{target}.{name}.weight", shapes[name], order))
        if shape.attention_bias if part.startswith("self_attn") else shape.ffn_bias:
            tensors.append(
                _take(left, f"{source}.{part}.bias", f"{target}.{name}.bias", shapes[name][:1], order)
            )
    return tensors


def rotary_order(heads: int, head_dim: int) -> NDArray[np.intp]:
    """Rows of q and k in llama.cpp's order: it rotates the pairs (2i, 2i+1), transformers (i, i + head_dim/2)."""
    rows = np.arange(heads * head_dim, dtype=np.intp).reshape(heads, 2, head_dim // 2)
    return rows.swapaxes(1, 2).reshape(-1)  # [heads, head_dim/2, 2], flat


def _take(
    left: dict[str, Weight],
    source: str,
    target: str,
    shape: tuple[int, ...],
    order: NDArray[np.intp] | None = None,
) -> PlannedTensor:
    weight = left.pop(source, None)
    if weight is None:
        raise SourceInvalid(f"the weights lack {source}", "download the model folder again")
    if weight.shape != shape:
        problem = f"{source} has the shape {list(weight.shape)}, config.json makes it {list(shape)}"
        raise SourceInvalid(problem, _CORRECT)
    return PlannedTensor(target, shape, weight, order)


def _usable_context(config: JsonObject, context: int) -> int:
    """llama.cpp's llama graph knows no sliding window, so the context ends where the window would begin to matter."""
    window = config.get("sliding_window")
    return min(context, window) if isinstance(window, int) and window > 0 else context


def _warnings(config: JsonObject) -> list[str]:
    context = _count(config, "max_position_embeddings", 2048)
    usable = _usable_context(config, context)
    if usable == context:
        return []
    return [f"the context is limited to the sliding window of {usable} tokens, from {context}"]


def _count(config: JsonObject, key: str, default: int | None = None) -> int:
    value = config.get(key)
    if value is None and default is not None:
        value = default
    if type(value) is not int or not 1 <= value < 1 << 31:
        raise SourceInvalid(f"{key} in config.json is {value!r}, not a positive number", _CORRECT)
    return value


def _epsilon(config: JsonObject) -> float:
    value = config.get("rms_norm_eps", 1e-6)
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value < 1:
        raise SourceInvalid(f"rms_norm_eps in config.json is {value!r}", _CORRECT)
    return float(value)
