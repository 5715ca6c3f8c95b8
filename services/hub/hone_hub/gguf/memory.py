"""How much memory a model will take, before it is loaded."""

from __future__ import annotations

from dataclasses import dataclass

from .header import Header
from .hyperparameters import MAX_LAYERS, MAX_NUMBER, Hyperparameters, at_layer
from .report import MemoryEstimate

_F16_BYTES = 2
_F32_BYTES = 4
_MICRO_BATCH = 512  # llama.cpp's default n_ubatch: tokens that go through the graph at once
_DEFAULT_CONTEXT = 4096

# Of these, one layer in so many sees everything, the others a window. Source: llama.cpp, src/llama-model.cpp.
_FULL_EVERY = {"gemma2": 2, "gemma3": 6}


@dataclass(frozen=True)
class Cached:
    """Keys and values of one token in all layers that see everything, and in those that see ``window`` tokens."""

    full: int
    sliding: int = 0
    window: int = 0

    def size_bytes(self, tokens: int, parallel: int = 1) -> int:
        """In f16, for `parallel` sequences; of sliding layers a window each, and a micro-batch."""
        held = min(tokens * parallel, self.window * parallel + _MICRO_BATCH)
        return (self.full * tokens * parallel + self.sliding * held) * _F16_BYTES


def cached(header: Header, numbers: Hyperparameters) -> Cached | None:
    """None where the header lacks the numbers, or they do not fit each other."""
    if not (numbers.layers and numbers.kv_heads and numbers.key_length and numbers.value_length):
        return None
    if numbers.layers > MAX_LAYERS or len(numbers.kv_heads) not in (1, numbers.layers):
        return None
    window = header.integer(f"{header.architecture}.attention.sliding_window") or 0
    every = _FULL_EVERY.get(header.architecture or "", 1) if 0 < window <= MAX_NUMBER else 1
    full = sliding = 0
    for layer in range(numbers.layers):
        values = at_layer(numbers.kv_heads, layer) * (numbers.key_length + numbers.value_length)
        full, sliding = (full, sliding + values) if (layer + 1) % every else (full + values, sliding)
    return Cached(full, sliding, window)


def estimate(
    header: Header, numbers: Hyperparameters, context: int | None = None, parallel: int = 1
) -> MemoryEstimate | None:
    """Bytes for `context` tokens in each of `parallel` sequences; None when the header lacks the numbers.

    weights: all tensors, the embedding a second time where it also serves as output.
    KV cache: sum over layers of kv_heads · (key_length + value_length) · 2 bytes · context · parallel; a layer with a
    sliding window holds no more than that and a micro-batch.
    compute: the larger of logits and feed-forward activations of one micro-batch, plus the residual stream.
    """
    held = cached(header, numbers)
    if held is None:
        return None
    tokens = context or min(numbers.context or _DEFAULT_CONTEXT, _DEFAULT_CONTEXT)
    return MemoryEstimate(
        context=tokens,
        parallel=parallel,
        weights_bytes=_weights_bytes(header),
        kv_cache_bytes=held.size_bytes(tokens, parallel),
        compute_bytes=compute_bytes(
            tokens, numbers.vocabulary or 0, max(numbers.ffn or (0,)), numbers.width or 0
        ),
    )


def compute_bytes(tokens: int, vocabulary: int, ffn: int, width: int) -> int:
    """The larger of logits and feed-forward activations of one micro-batch, plus the residual stream."""
    return min(_MICRO_BATCH, tokens) * (max(vocabulary, 2 * ffn) + 2 * width) * _F32_BYTES


def _weights_bytes(header: Header) -> int:
    total = sum(tensor.size_bytes for tensor in header.tensors.values())
    embedding = header.tensors.get("token_embd.weight")
    if embedding is not None and "output.weight" not in header.tensors:
        total += embedding.size_bytes
    return total
