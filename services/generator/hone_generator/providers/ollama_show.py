"""What ``/api/show`` tells of a model: what a request must know, and what its memory is predicted from.

The keys are those of GGUF (https://github.com/ggml-org/ggml/blob/master/docs/gguf.md). Long lists are left
out of the answer; of models whose layers differ, the shapes of the tensors tell the same.
"""

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from hone_generator.memory.footprint import LayerCache, ModelFacts
from hone_generator.providers.ollama_hosts import PROVIDER
from hone_generator.providers.wire_fields import Document, Fields

_FIELDS = Fields(PROVIDER)

# No common tokenizer needs more tokens for prose, code or JSON; one with a small vocabulary may need a token
# for each byte. To guess too low is dear: older servers cut a prompt that does not fit without a word.
_BYTES_PER_TOKEN = 2
_SMALL_VOCABULARY = 16_000

# A file is hostile: of what is beyond these, nothing is predicted.
_MOST_LAYERS = 1024
_MOST = 1 << 24

_LAYER_TENSOR = re.compile(r"blk\.([0-9]{1,4})\.attn_([kv])\.weight")
# Bits of a value with its share of the block's scale.
_BITS = {
    "F32": 32.0, "F16": 16.0, "BF16": 16.0, "Q8_0": 8.5, "Q6_K": 6.5625, "Q5_1": 6.0, "Q5_0": 5.5, "Q5_K": 5.5,
    "Q4_1": 5.0, "Q4_0": 4.5, "Q4_K": 4.5, "IQ4_NL": 4.5, "IQ4_XS": 4.25, "MXFP4": 4.25, "Q3_K": 3.4375,
    "Q2_K": 2.625,
}  # fmt: skip
# Every so many layers one looks at the whole context, the others through a window for which at least so many
# tokens are kept: as Ollama 0.11.4 has it.
_WINDOWED = {"gemma3": (6, 1), "gptoss": (2, 4096), "gpt-oss": (2, 4096)}


Shapes = Mapping[str, tuple[str, int, int]]
"""By a matrix's name: its type, and the values that go in and that come out."""


@dataclass(frozen=True, slots=True)
class ModelProfile:
    """``preamble_bytes``: of the messages that every prompt starts with."""

    context_tokens: int | None = None
    bytes_per_token: int = _BYTES_PER_TOKEN
    think: bool | str | None = None
    stop: tuple[str, ...] = ()
    preamble_bytes: int = 0
    facts: ModelFacts | None = None


def profile(shown: Document, size_bytes: int | None = None) -> ModelProfile:
    """``size_bytes``: of the model's files. Raises BadProviderAnswer."""
    info, details = _FIELDS.mapping(shown, "model_info"), _FIELDS.mapping(shown, "details")
    architecture = _FIELDS.text(info, "general.architecture")
    shapes = _shapes(shown)
    vocabulary = (
        _FIELDS.count(info, f"{architecture}.vocab_size") or shapes.get("token_embd.weight", ("", 0, 0))[2]
    )
    preamble = sum(
        len(_FIELDS.text(message, "content").encode(errors="replace"))
        for message in _FIELDS.items(shown, "messages")
        if isinstance(message, dict)
    )
    think: bool | str | None = None
    if "thinking" in _FIELDS.items(shown, "capabilities"):
        # These cannot be stopped from thinking, and take a level instead.
        think = "low" if _FIELDS.text(details, "family") in {"gptoss", "gpt-oss"} else False
    return ModelProfile(
        context_tokens=_FIELDS.count(info, f"{architecture}.context_length") or None,
        bytes_per_token=1 if 0 < vocabulary < _SMALL_VOCABULARY else _BYTES_PER_TOKEN,
        think=think,
        stop=tuple(_stops(_FIELDS.text(shown, "parameters"))),
        preamble_bytes=preamble + len(_FIELDS.text(shown, "system").encode(errors="replace")),
        facts=_facts(info, shapes, vocabulary, size_bytes),
    )


def _stops(parameters: str) -> Iterable[str]:
    """The values of lines like ``stop    "<|im_end|>"``, which are Go's literals and mostly JSON's."""
    for line in parameters.splitlines():
        key, _, value = line.partition(" ")
        if key == "stop":
            try:
                stop = json.loads(value)
            except ValueError:
                continue
            if isinstance(stop, str):
                yield stop


def _facts(
    info: Mapping[str, Any], shapes: Shapes, vocabulary: int, size_bytes: int | None
) -> ModelFacts | None:
    """None where the model does not tell enough, or nothing that can be."""
    architecture = _FIELDS.text(info, "general.architecture")

    def number(key: str) -> int:
        value = info.get(f"{architecture}.{key}")
        return value if isinstance(value, int) and 0 < value <= _MOST else 0

    blocks, embedding, heads = (
        number("block_count"),
        number("embedding_length"),
        number("attention.head_count"),
    )
    if not (size_bytes and 0 < blocks <= _MOST_LAYERS and embedding):
        return None
    heads = heads or 1
    key = number("attention.key_length") or -(-embedding // heads)
    value = number("attention.value_length") or key
    told = info.get(f"{architecture}.attention.head_count_kv")
    every, least_window = _WINDOWED.get(architecture, (1, 1))
    window = number("attention.sliding_window")
    layers = []
    for block in range(blocks):
        values = _told(told, block, blocks, key + value)
        if values is None:
            values = _by_shape(shapes, block, otherwise=heads * (key + value))
        looks_back = not window or (block + 1) % every == 0
        layers.append(LayerCache(values, None if looks_back else max(window, least_window)))
    weights = max(size_bytes - _kept_by_the_cpu(shapes), 0)
    return ModelFacts(weights, tuple(layers), embedding, heads, key, min(vocabulary, _MOST))


def _told(told: object, block: int, blocks: int, values_per_head: int) -> int | None:
    """By the number of KV heads, which is one for all layers or a list of each."""
    heads = told[block] if isinstance(told, list) and len(told) == blocks else told
    if isinstance(heads, bool) or not isinstance(heads, int) or not 0 <= heads <= _MOST:
        return None
    return heads * values_per_head


def _shapes(shown: Document) -> Shapes:
    found = {}
    for tensor in _FIELDS.items(shown, "tensors"):
        if not isinstance(tensor, dict):
            continue
        name, shape = tensor.get("name"), tensor.get("shape")
        if (
            isinstance(name, str)
            and (name in {"output.weight", "token_embd.weight"} or _LAYER_TENSOR.fullmatch(name))
            and isinstance(shape, list)
            and len(shape) == 2
            and all(isinstance(each, int) and 0 < each <= _MOST for each in shape)
        ):
            found[name] = (str(tensor.get("type")).upper(), shape[0], shape[1])
    return found


def _by_shape(shapes: Shapes, block: int, otherwise: int) -> int:
    """What comes out of a layer's K and V matrices. Where they are not told, or are one with Q: ``otherwise``."""
    parts = [shapes.get(f"blk.{block}.attn_{part}.weight") for part in "kv"]
    return sum(part[2] for part in parts if part is not None) or otherwise


def _kept_by_the_cpu(shapes: Shapes) -> int:
    """The table of tokens is looked up by the CPU; a model whose output has a matrix of its own has it
    nowhere else."""
    embedding = shapes.get("token_embd.weight")
    if embedding is None or "output.weight" not in shapes:
        return 0
    kind, width, vocabulary = embedding
    return int(width * vocabulary * _BITS.get(kind, 0) / 8)
