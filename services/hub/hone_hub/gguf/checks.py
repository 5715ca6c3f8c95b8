"""Whether a well-formed header also makes sense as a model."""

from __future__ import annotations

import math
from collections.abc import Iterator

from .header import Header
from .hyperparameters import MAX_LAYERS, MAX_NUMBER, Hyperparameters
from .report import Problem
from .tensors import KINDS, Kind, tensor_problems

_TOKEN_TYPES = range(7)  # llama.cpp's llama_token_type
_NOT_TEXT_MODELS = {"adapter", "imatrix", "mmproj", "vocab"}


def find_problems(header: Header, numbers: Hyperparameters) -> list[Problem]:
    if header.architecture is None and (header.integer("split.no") or 0) > 0:
        return [_warning("this is a further file of a model in several, and holds tensors alone")]
    if header.architecture is None:
        return [_error("the file does not say which architecture it holds (general.architecture)")]
    kind = header.text("general.type")
    if kind in _NOT_TEXT_MODELS or header.architecture == "clip":
        return [
            _warning(
                f"this is {kind or 'a projector'}, which is used beside a model and generates nothing itself"
            )
        ]
    problems = [
        *_number_problems(numbers),
        *_float_problems(header),
        *_tokenizer_problems(header),
        *_size_problems(header),
    ]
    if any(problem.severity == "error" for problem in problems):
        return problems  # the tensors are judged by these numbers
    if (shards := header.integer("split.count") or 1) > 1:
        return [*problems, _warning(f"this is one of {shards} files of a model; all of them are needed")]
    return [*problems, *_tensor_problems(header, numbers)]


def _number_problems(numbers: Hyperparameters) -> Iterator[Problem]:
    if numbers.layers is None or not 1 <= numbers.layers <= MAX_LAYERS:
        yield _error(f"the number of layers is {numbers.layers}, 1 to {MAX_LAYERS} are possible")
        return
    for what, value in (("embedding length", numbers.width), ("context length", numbers.context)):
        if value is None or not 1 <= value <= MAX_NUMBER:
            yield _error(f"the {what} is {value}")
    for what, value in (("key length", numbers.key_length), ("value length", numbers.value_length)):
        if value is not None and not 1 <= value <= MAX_NUMBER:
            yield _error(f"the {what} is {value}")
    for what, per_layer in (
        ("attention heads", numbers.heads),
        ("key-value heads", numbers.kv_heads),
        ("feed-forward lengths", numbers.ffn),
    ):
        if per_layer is None:
            continue
        if len(per_layer) not in (1, numbers.layers):
            yield _error(f"there are {len(per_layer)} {what} for {numbers.layers} layers")
        elif any(not 0 <= value <= MAX_NUMBER for value in per_layer) or max(per_layer) == 0:
            yield _error(f"the {what} are {per_layer[:8]}")


def _float_problems(header: Header) -> Iterator[Problem]:
    """Numbers that would turn every answer into NaN without a word."""
    for suffix in ("attention.layer_norm_rms_epsilon", "rope.freq_base", "rope.scaling.factor"):
        value = header.number(f"{header.architecture}.{suffix}")
        if value is not None and not (math.isfinite(value) and value > 0):
            yield _error(f"{header.architecture}.{suffix} is {value}")


def _tokenizer_problems(header: Header) -> Iterator[Problem]:
    tokens = header.texts("tokenizer.ggml.tokens")
    if tokens is None:
        yield _error("the file has no vocabulary (tokenizer.ggml.tokens)")
        return
    # llama.cpp reads tokens up to a zero byte, names empty ones itself, and aborts the process on a duplicate.
    read = [text for text in (token.split("\0", 1)[0] for token in tokens) if text]
    if len(set(read)) != len(read):
        yield _error("some tokens occur twice in the vocabulary")
    for key in header.fields:
        if key.startswith("tokenizer.ggml.") and key.endswith("_token_id"):
            number = header.integer(key)
            if number is not None and not 0 <= number < len(tokens):
                yield _error(f"{key} is {number}, the vocabulary has {len(tokens)} tokens")
    merges = header.texts("tokenizer.ggml.merges") or []
    if broken := next((merge for merge in merges if " " not in merge[1:]), None):
        yield _error(f"the merge {broken[:40]!r} does not consist of two parts")
    if "" in merges:
        yield _error("there is an empty merge")
    if header.text("tokenizer.ggml.model") == "gpt2" and not merges:
        yield _warning("a BPE vocabulary without merges")
    kinds = header.fields.get("tokenizer.ggml.token_type")
    if kinds and any(kind not in _TOKEN_TYPES for kind in kinds.items):
        yield _error("some token types are unknown")  # llama.cpp aborts the process
    scores = header.fields.get("tokenizer.ggml.scores")
    if scores and any(isinstance(score, float) and math.isnan(score) for score in scores.items):
        yield _error("some token scores are not numbers")
    if header.text("tokenizer.chat_template") is None:
        yield _warning("there is no chat template: chat will need one given explicitly")


def _size_problems(header: Header) -> Iterator[Problem]:
    if not header.tensors:
        yield _error("the file holds no tensors")
    after = header.file_bytes - header.data_offset - header.data_bytes
    if after >= header.alignment:
        yield _warning(f"{after} bytes follow the last tensor")


def _tensor_problems(header: Header, numbers: Hyperparameters) -> Iterator[Problem]:
    embedding = header.tensors.get("token_embd.weight")
    expected = (numbers.width, numbers.vocabulary)
    if embedding is not None and embedding.shape != expected:
        yield _error(
            f"token_embd.weight has the shape {list(embedding.shape)}, the header makes it {list(expected)}"
        )
    kind = KINDS.get(header.architecture or "")
    if kind is not None and not _split_of_old(kind, header):
        yield from tensor_problems(kind, header, numbers)
        return
    layers = {
        name.split(".")[1] for name in header.tensors if name.startswith("blk.") and name.count(".") >= 2
    }
    if lacking := {str(layer) for layer in range(numbers.layers or 0)} - layers:
        yield _error(f"the header says {numbers.layers} layers, {len(lacking)} of them have no tensors")


def _split_of_old(kind: Kind, header: Header) -> bool:
    """The first files of Phi-3 keep queries, keys and values apart, which loads, too."""
    return kind.fused and "blk.0.attn_q.weight" in header.tensors


def _error(message: str) -> Problem:
    return Problem(severity="error", message=message)


def _warning(message: str) -> Problem:
    return Problem(severity="warning", message=message)
