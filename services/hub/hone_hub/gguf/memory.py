"""How much memory a model will take, before it is loaded."""

from __future__ import annotations

from .header import Header
from .hyperparameters import Hyperparameters, at_layer
from .report import MemoryEstimate

_F16_BYTES = 2
_F32_BYTES = 4
_MICRO_BATCH = 512  # llama.cpp's default n_ubatch: tokens that go through the graph at once
_DEFAULT_CONTEXT = 4096


def estimate(
    header: Header, numbers: Hyperparameters, context: int | None = None, parallel: int = 1
) -> MemoryEstimate | None:
    """Bytes for `context` tokens in each of `parallel` sequences; None when the header lacks the numbers.

    weights: all tensors, the embedding a second time where it also serves as output.
    KV cache: sum over layers of kv_heads · (key_length + value_length) · 2 bytes · context · parallel. Sliding
    windows are not credited, so such models come out too high.
    compute: the larger of logits and feed-forward activations of one micro-batch, plus the residual stream.
    """
    if not (numbers.layers and numbers.kv_heads and numbers.key_length and numbers.value_length):
        return None
    tokens = context or min(numbers.context or _DEFAULT_CONTEXT, _DEFAULT_CONTEXT)
    per_layer = [at_layer(numbers.kv_heads, layer) for layer in range(numbers.layers)]
    cached = sum(per_layer) * (numbers.key_length + numbers.value_length) * _F16_BYTES
    widest = max(numbers.vocabulary or 0, 2 * max(numbers.ffn or (0,)))
    return MemoryEstimate(
        context=tokens,
        parallel=parallel,
        weights_bytes=_weights_bytes(header),
        kv_cache_bytes=cached * tokens * parallel,
        compute_bytes=min(_MICRO_BATCH, tokens) * (widest + 2 * (numbers.width or 0)) * _F32_BYTES,
    )


def _weights_bytes(header: Header) -> int:
    total = sum(tensor.size_bytes for tensor in header.tensors.values())
    embedding = header.tensors.get("token_embd.weight")
    if embedding is not None and "output.weight" not in header.tensors:
        total += embedding.size_bytes
    return total
