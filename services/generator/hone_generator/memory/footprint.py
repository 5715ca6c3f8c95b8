"""What a model will take of a card's memory, predicted from what its file says of itself.

    weights + Σ layers (K and V values of a token)·bytes·tokens kept + compute buffer + the runner's own

Sources: llama.cpp's allocation of the KV cache, and Ollama 0.11.4 (``GraphSize`` in fs/ggml/ggml.go for the
cache and the compute buffer, ``cudaMinimumMemory`` in discover/gpu.go), which says no to a model on the same
grounds.
"""

from dataclasses import dataclass
from typing import Literal

KvType = Literal["f16", "q8_0", "q4_0"]

# Of 32 values with their scale: 2, 1.0625 and 0.5625 bytes a value.
_BYTES_OF_32: dict[KvType, int] = {"f16": 64, "q8_0": 34, "q4_0": 18}
# How many tokens of a prompt are computed at once, unless the context is smaller: Ollama's num_batch.
BATCH_TOKENS = 512
# CUDA's context and libraries, before anything is loaded.
RUNNER_BYTES = 457 << 20


@dataclass(frozen=True, slots=True)
class LayerCache:
    """What a layer remembers: so many values of each token (K and V of all its KV heads; 0 where it has no
    attention), of the last ``window_tokens`` if it looks no further back."""

    values_per_token: int
    window_tokens: int | None = None


@dataclass(frozen=True, slots=True)
class ModelFacts:
    """``weights_bytes``: of the tensors that go to the card. ``key_length``: values of a key of one head."""

    weights_bytes: int
    layers: tuple[LayerCache, ...]
    embedding: int
    heads: int
    key_length: int
    vocabulary: int


@dataclass(frozen=True, slots=True)
class Footprint:
    """All in bytes. ``per_card_bytes`` comes on top for each further card that the model is spread over."""

    weights_bytes: int
    kv_bytes: int
    compute_bytes: int
    runner_bytes: int = RUNNER_BYTES

    @property
    def total_bytes(self) -> int:
        return self.weights_bytes + self.kv_bytes + self.compute_bytes + self.runner_bytes

    @property
    def per_card_bytes(self) -> int:
        return self.compute_bytes + self.runner_bytes


@dataclass(frozen=True, slots=True)
class Serving:
    """How the server runs its models: ``OLLAMA_NUM_PARALLEL``, ``OLLAMA_KV_CACHE_TYPE``,
    ``OLLAMA_FLASH_ATTENTION``."""

    parallel: int = 1
    kv_type: KvType = "f16"
    flash_attention: bool = False


def predict(facts: ModelFacts, context_tokens: int, serving: Serving) -> Footprint:
    """``context_tokens`` is each of the ``parallel`` requests' own. Grows with both."""
    return Footprint(
        facts.weights_bytes,
        kv_bytes(facts, context_tokens, serving),
        _compute(facts, context_tokens, serving),
    )


def kv_bytes(facts: ModelFacts, context_tokens: int, serving: Serving) -> int:
    """The cache of all layers; one that looks back through a window keeps that and the tokens being computed."""
    kept = context_tokens * serving.parallel
    batch = min(context_tokens, BATCH_TOKENS)
    values = 0
    for layer in facts.layers:
        window = layer.window_tokens
        tokens = kept if window is None else min(kept, window * serving.parallel + batch)
        values += layer.values_per_token * tokens
    return -(-values * _BYTES_OF_32[serving.kv_type] // 32)


def _compute(facts: ModelFacts, context_tokens: int, serving: Serving) -> int:
    """32-bit intermediate results of one batch: of a layer, where without flash attention every head has a
    value for every token of every request's context, or of the output with its vocabulary, whichever is more."""
    batch = min(context_tokens, BATCH_TOKENS)
    context = context_tokens * serving.parallel
    scores = context * (1 if serving.flash_attention else 1 + facts.heads)
    inner = max(4 * facts.embedding, 2 * facts.embedding + 2 * facts.key_length * facts.heads)
    return 4 * batch * max(1 + inner + scores, facts.embedding + facts.vocabulary)
