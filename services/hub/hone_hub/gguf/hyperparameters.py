"""The numbers of a model, out of the keys that begin with its architecture's name."""

from __future__ import annotations

from dataclasses import dataclass

from .header import Header

MAX_LAYERS = 512  # llama.cpp's LLAMA_MAX_LAYERS
MAX_NUMBER = (1 << 31) - 1


@dataclass(frozen=True)
class Hyperparameters:
    """None where a file does not say. Per-layer tuples hold one number for all layers, or one for each."""

    layers: int | None
    width: int | None
    context: int | None
    ffn: tuple[int, ...] | None
    heads: tuple[int, ...] | None
    kv_heads: tuple[int, ...] | None
    key_length: int | None
    value_length: int | None
    vocabulary: int | None
    experts: int

    @classmethod
    def read(cls, header: Header) -> Hyperparameters:
        prefix = header.architecture or ""
        width = header.integer(f"{prefix}.embedding_length")
        heads = header.integers(f"{prefix}.attention.head_count")
        per_head = width // heads[0] if width and heads and heads[0] > 0 else None
        tokens = header.texts("tokenizer.ggml.tokens")
        return cls(
            layers=header.integer(f"{prefix}.block_count"),
            width=width,
            context=header.integer(f"{prefix}.context_length"),
            ffn=header.integers(f"{prefix}.feed_forward_length"),
            heads=heads,
            kv_heads=header.integers(f"{prefix}.attention.head_count_kv") or heads,
            key_length=_or(header.integer(f"{prefix}.attention.key_length"), per_head),
            value_length=_or(header.integer(f"{prefix}.attention.value_length"), per_head),
            vocabulary=len(tokens) if tokens else header.integer(f"{prefix}.vocab_size"),
            experts=header.integer(f"{prefix}.expert_count") or 0,
        )


def at_layer(values: tuple[int, ...], layer: int) -> int:
    return values[0] if len(values) == 1 else values[layer]


def _or(value: int | None, otherwise: int | None) -> int | None:
    return otherwise if value is None else value
