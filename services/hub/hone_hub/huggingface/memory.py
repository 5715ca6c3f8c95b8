"""How much memory weights will take, of which only a header or a configuration is known."""

from collections.abc import Sequence
from dataclasses import dataclass

from hone_contracts.huggingface import MemoryFigures, MemoryPlace
from hone_hub.gguf.memory import Cached, compute_bytes

USUAL_CONTEXT = 8192
# What drivers, allocators and the next megabyte of context take beside.
_MARGIN = 1.03
_MARGIN_BYTES = 200 << 20

BITS = {
    "F32": 32.0, "F16": 16.0, "BF16": 16.0, "Q8_0": 8.5, "Q6_K": 6.56, "Q5_K_M": 5.67, "Q5_0": 5.54, "Q4_K_M": 4.83,
    "Q4_0": 4.55,
}  # fmt: skip
"""Bits a weight of what conversion makes, on average over a model. Source: llama.cpp, tools/quantize/README.md."""


@dataclass(frozen=True)
class Numbers:
    """What of a model's shape its memory depends on."""

    architecture: str | None = None
    parameters: int | None = None
    layers: int | None = None
    heads: int | None = None
    kv_heads: int | None = None
    context: int | None = None
    width: int = 0
    ffn: int = 0
    vocabulary: int = 0
    cached: Cached | None = None
    tied_bytes: int = 0
    """Of an embedding that is the output, too, and so is held twice."""


def predicted(numbers: Numbers, weights_bytes: int, context_tokens: int | None) -> MemoryFigures | None:
    """None where the numbers are missing. By the formulas of ``hone_hub.gguf.memory``."""
    if numbers.cached is None:
        return None
    tokens = context_tokens or min(numbers.context or USUAL_CONTEXT, USUAL_CONTEXT)
    cache = numbers.cached.size_bytes(tokens)
    compute = compute_bytes(tokens, numbers.vocabulary, numbers.ffn, numbers.width)
    weights = weights_bytes + numbers.tied_bytes
    return MemoryFigures(
        context_tokens=tokens,
        weights_bytes=weights,
        kv_cache_bytes=cache,
        compute_bytes=compute,
        total_bytes=weights + cache + compute,
    )


def place_for(needed_bytes: int, places: Sequence[MemoryPlace]) -> str:
    """The first place with room; empty where there is none."""
    needed = int(needed_bytes * _MARGIN) + _MARGIN_BYTES
    return next((place.name for place in places if place.free_bytes >= needed), "")
