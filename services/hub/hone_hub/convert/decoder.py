"""What the families share: a decoder of blocks with rotary attention and a gated feed-forward part.

A family is a subclass that says in what it differs; it names nothing that it has in common.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np
from gguf import GGUFWriter
from numpy.typing import NDArray

from ..errors import ModelUnsupported, SourceInvalid
from .checkpoint import JsonObject
from .plan import Plan, PlannedTensor
from .rope import LongRope, Rope, read_rope, settings_of
from .safetensors import Weight, to_float32

_MOST_LAYERS = 512  # LLAMA_MAX_LAYERS
_COMPARED_AT_ONCE = 1 << 20  # weights
_CORRECT = "correct config.json or download it again"
# Old checkpoints store these beside the weights; both are computed.
_COMPUTED = re.compile(r"\.(rotary_emb\.inv_freq|self_attn\.masked_bias|self_attn\.bias)$")


@dataclass(frozen=True)
class Shape:
    """A config.json, and its numbers, checked."""

    config: JsonObject
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
    rope: Rope

    @property
    def queries(self) -> int:
        return self.heads * self.head_dim

    @property
    def keys(self) -> int:
        return self.kv_heads * self.head_dim


@dataclass(frozen=True)
class Matrix:
    """A matrix of a layer: its name in the file, its shape, and whether there is a bias with it."""

    name: str
    shape: tuple[int, int]
    bias: bool = False
    row_order: NDArray[np.intp] | None = None


class Decoder:
    """The family of ``gguf_name``. ``norms`` are those of a layer, by the end of their names in the checkpoint."""

    gguf_name: ClassVar[str]
    activations: ClassVar[tuple[str, ...]] = ("silu",)
    tied_by_default: ClassVar[bool] = False
    norms: ClassVar[dict[str, str]] = {
        "input_layernorm": "attn_norm",
        "post_attention_layernorm": "ffn_norm",
    }
    norm_added: ClassVar[float] = 0.0
    knows_windows: ClassVar[bool] = False
    rotates_partly: ClassVar[bool] = False
    prefix: ClassVar[str] = "model"

    def plan(self, config: JsonObject, weights: dict[str, Weight]) -> Plan:
        shape = self.shape(config)
        left = {name: weight for name, weight in weights.items() if not _COMPUTED.search(name)}
        shape = self._with_head(shape, left)
        tensors = [*self._outer(shape, left)]
        for layer in range(shape.layers):
            tensors += self._layer(shape, layer, left)
        if left:
            problem = f"the weights hold {min(left)} ({len(left)} such in all), not known of a {self.gguf_name} model"
            advice = "merge adapters first; for another kind of model look for a GGUF"
            raise ModelUnsupported(problem, advice)
        return Plan(tensors, shape.vocabulary, self.warnings(shape))

    def write_metadata(self, config: JsonObject, writer: GGUFWriter) -> None:
        shape = self.shape(config)
        writer.add_context_length(self.usable_context(shape))
        writer.add_embedding_length(shape.width)
        writer.add_block_count(shape.layers)
        writer.add_feed_forward_length(shape.ffn)
        writer.add_head_count(shape.heads)
        writer.add_head_count_kv(shape.kv_heads)
        writer.add_key_length(shape.head_dim)
        writer.add_value_length(shape.head_dim)
        writer.add_layer_norm_rms_eps(shape.rms_eps)
        writer.add_vocab_size(shape.vocabulary)
        shape.rope.write(writer)
        self.more_metadata(shape, writer)

    # In what families differ

    def check(self, shape: Shape) -> None:
        """Raises ModelUnsupported for options that llama.cpp's graph of the family does not have."""

    def matrices(self, shape: Shape) -> dict[str, Matrix]:
        """Of a layer, by their names in the checkpoint."""
        biased = shape.config.get("attention_bias", False) is True
        in_ffn = shape.config.get("mlp_bias", False) is True
        return {
            "self_attn.q_proj": Matrix("attn_q", (shape.queries, shape.width), biased),
            "self_attn.k_proj": Matrix("attn_k", (shape.keys, shape.width), biased),
            "self_attn.v_proj": Matrix("attn_v", (shape.keys, shape.width), biased),
            "self_attn.o_proj": Matrix("attn_output", (shape.width, shape.queries), biased),
            "mlp.gate_proj": Matrix("ffn_gate", (shape.ffn, shape.width), in_ffn),
            "mlp.up_proj": Matrix("ffn_up", (shape.ffn, shape.width), in_ffn),
            "mlp.down_proj": Matrix("ffn_down", (shape.width, shape.ffn), in_ffn),
        }

    def head_norms(self) -> dict[str, str]:
        """Norms over each head's queries and keys."""
        return {}

    def rope(self, config: JsonObject, head_dim: int, context: int) -> Rope:
        rope = read_rope(settings_of(config), head_dim, context)
        if isinstance(rope.scaling, LongRope):
            raise ModelUnsupported(
                f"longrope is not known of the {self.gguf_name} family", "look for a GGUF of this model"
            )
        return rope

    def window(self, config: JsonObject) -> int | None:
        """Of sliding attention, where llama.cpp's graph of the family knows none: the context ends with it."""
        window = None if self.knows_windows else config.get("sliding_window")
        return window if isinstance(window, int) and window > 0 else None

    def more_metadata(self, shape: Shape, writer: GGUFWriter) -> None:
        """What only this family has."""

    # The rest

    def shape(self, config: JsonObject) -> Shape:
        activation = config.get("hidden_activation") or config.get("hidden_act", self.activations[0])
        if activation not in self.activations:
            raise ModelUnsupported(
                f"the activation {activation!r} is not the {self.gguf_name} family's", "look for a GGUF"
            )
        width, heads = count(config, "hidden_size"), count(config, "num_attention_heads")
        kv_heads = count(config, "num_key_value_heads", heads)
        head_dim = count(config, "head_dim", max(width // heads, 1))
        if heads % kv_heads or head_dim % 2:
            problem = (
                f"{heads} heads, {kv_heads} key-value heads and a head size of {head_dim} do not go together"
            )
            raise SourceInvalid(problem, _CORRECT)
        context = count(config, "max_position_embeddings", 2048)
        shape = Shape(
            config=config,
            width=width,
            layers=_layers(config),
            heads=heads,
            kv_heads=kv_heads,
            head_dim=head_dim,
            ffn=count(config, "intermediate_size"),
            vocabulary=count(config, "vocab_size"),
            context=context,
            rms_eps=_epsilon(config),
            tied=config.get("tie_word_embeddings", self.tied_by_default) is True,
            rope=self.rope(config, head_dim, context),
        )
        if shape.rope.dims != head_dim and not self.rotates_partly:
            raise ModelUnsupported(
                f"a {self.gguf_name} model that rotates a part of each head is not known", "look for a GGUF"
            )
        self.check(shape)
        return shape

    def _with_head(self, shape: Shape, left: dict[str, Weight]) -> Shape:
        """transformers ties what config.json says is tied, unless the file has a head that differs: so here."""
        if not shape.tied or "lm_head.weight" not in left:
            return shape
        if same(left["lm_head.weight"], left.get(f"{self.prefix}.embed_tokens.weight")):
            del left["lm_head.weight"]
            return shape
        untied = replace(shape, tied=False)
        self.check(untied)
        return untied

    def usable_context(self, shape: Shape) -> int:
        limits = (shape.context, self.window(shape.config), shape.rope.usable_context)
        return min(limit for limit in limits if limit is not None)

    def warnings(self, shape: Shape) -> list[str]:
        usable, window = self.usable_context(shape), self.window(shape.config)
        if usable == shape.context:
            return []
        why = "sliding window" if usable == window else "original context"
        return [f"the context is limited to the {why} of {usable} tokens, from {shape.context}"]

    def _outer(self, shape: Shape, left: dict[str, Weight]) -> Iterator[PlannedTensor]:
        embedding = (shape.vocabulary, shape.width)
        yield take(left, f"{self.prefix}.embed_tokens.weight", "token_embd.weight", embedding)
        yield take(
            left, f"{self.prefix}.norm.weight", "output_norm.weight", (shape.width,), added=self.norm_added
        )
        if not shape.tied:
            yield take(left, "lm_head.weight", "output.weight", embedding)
        for name, factors in shape.rope.tensors().items():
            yield PlannedTensor(name, factors.shape, factors)

    def _layer(self, shape: Shape, layer: int, left: dict[str, Weight]) -> Iterator[PlannedTensor]:
        source, target = f"{self.prefix}.layers.{layer}", f"blk.{layer}"
        for norm, name in self.norms.items():
            yield take(
                left,
                f"{source}.{norm}.weight",
                f"{target}.{name}.weight",
                (shape.width,),
                added=self.norm_added,
            )
        for norm, name in self.head_norms().items():
            of_head = (shape.head_dim,)
            yield take(
                left, f"{source}.{norm}.weight", f"{target}.{name}.weight", of_head, added=self.norm_added
            )
        for part, matrix in self.matrices(shape).items():
            there, here = f"{source}.{part}", f"{target}.{matrix.name}"
            yield take(left, f"{there}.weight", f"{here}.weight", matrix.shape, matrix.row_order)
            if matrix.bias:
                yield take(left, f"{there}.bias", f"{here}.bias", matrix.shape[:1], matrix.row_order)


def take(
    left: dict[str, Weight],
    source: str,
    target: str,
    shape: tuple[int, ...],
    order: NDArray[np.intp] | None = None,
    *,
    added: float = 0.0,
) -> PlannedTensor:
    weight = left.pop(source, None)
    if weight is None:
        raise SourceInvalid(f"the weights lack {source}", "download the model folder again")
    if weight.shape != shape:
        problem = f"{source} has the shape {list(weight.shape)}, config.json makes it {list(shape)}"
        raise SourceInvalid(problem, _CORRECT)
    return PlannedTensor(target, shape, weight, order, added)


def same(one: Weight, other: Weight | None) -> bool:
    """Whether two matrices hold the same numbers, a few rows of them at a time."""
    if other is None or one.shape != other.shape or len(one.shape) != 2:
        return False
    rows, columns = one.shape
    step = max(1, _COMPARED_AT_ONCE // max(1, columns))
    return all(
        np.array_equal(
            to_float32(one.rows(start, min(start + step, rows), columns)),
            to_float32(other.rows(start, min(start + step, rows), columns)),
        )
        for start in range(0, rows, step)
    )


def count(config: JsonObject, key: str, default: int | None = None) -> int:
    value = config.get(key)
    if value is None and default is not None:
        value = default
    if type(value) is not int or not 1 <= value < 1 << 31:
        raise SourceInvalid(f"{key} in config.json is {value!r}, not a positive number", _CORRECT)
    return value


def _layers(config: JsonObject) -> int:
    layers = count(config, "num_hidden_layers")
    if layers > _MOST_LAYERS:
        raise ModelUnsupported(f"{layers} layers are more than llama.cpp loads", _CORRECT)
    return layers


def number(config: JsonObject, key: str) -> float | None:
    """A positive number, or None where there is none."""
    value = config.get(key)
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value < 1e9:
        raise SourceInvalid(f"{key} in config.json is {value!r}, not a positive number", _CORRECT)
    return float(value)


def _epsilon(config: JsonObject) -> float:
    value = config.get("rms_norm_eps", 1e-6)
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value < 1:
        raise SourceInvalid(f"rms_norm_eps in config.json is {value!r}", _CORRECT)
    return float(value)
