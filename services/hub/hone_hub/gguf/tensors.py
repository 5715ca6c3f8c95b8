"""Which tensors a file of a known architecture must hold, and in which shapes.

Source: llama.cpp, src/llama-model.cpp. A tensor too few, or one of another shape, fails the load there.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from .header import Header
from .hyperparameters import Hyperparameters, at_layer
from .report import Problem

_Shape = tuple[int, ...]
_OPTIONAL_ENDINGS = (
    ".bias",
    "rope_freqs.weight",
    "rope_factors_long.weight",
    "rope_factors_short.weight",
    ".attn_rot_embd",
)


@dataclass(frozen=True)
class Kind:
    """In what an architecture differs from Llama. ``norms`` are of the model's width, ``head_norms`` of a head's."""

    norms: tuple[str, ...] = ("attn_norm", "ffn_norm")
    head_norms: tuple[str, ...] = ()
    biased: bool = False
    fused: bool = False


_AROUND = ("attn_norm", "post_attention_norm", "ffn_norm", "post_ffw_norm")
_OF_HEADS = ("attn_q_norm", "attn_k_norm")
KINDS = {
    "llama": Kind(),
    "qwen2": Kind(biased=True),
    "qwen3": Kind(head_norms=_OF_HEADS),
    "gemma2": Kind(norms=_AROUND),
    "gemma3": Kind(norms=_AROUND, head_norms=_OF_HEADS),
    "phi3": Kind(fused=True),
}


def tensor_problems(kind: Kind, header: Header, numbers: Hyperparameters) -> Iterator[Problem]:
    if not (
        numbers.heads and numbers.kv_heads and numbers.key_length and numbers.value_length and numbers.ffn
    ):
        yield _error("the header lacks attention or feed-forward sizes")
        return
    if any(heads % max(kv, 1) for heads, kv in zip(*_paired(numbers.heads, numbers.kv_heads), strict=True)):
        yield _error(
            f"{numbers.heads[0]} attention heads do not divide among {numbers.kv_heads[0]} key-value heads"
        )
        return
    if numbers.experts:
        return  # mixtures of experts replace the feed-forward tensors; their own module will check them
    expected = dict(expected_tensors(kind, numbers))
    if missing := [name for name in expected if name not in header.tensors]:
        yield _error(f"{len(missing)} tensors are missing, the first is {missing[0]}")
    for name, shape in expected.items():
        tensor = header.tensors.get(name)
        if tensor is not None and tensor.shape != shape:
            yield _error(f"{name} has the shape {list(tensor.shape)}, the header makes it {list(shape)}")
            return
    known = {*expected, "output.weight"}
    extra = [name for name in header.tensors if name not in known and not name.endswith(_OPTIONAL_ENDINGS)]
    if extra:
        yield Problem(
            severity="warning", message=f"{len(extra)} tensors are not known, the first is {extra[0]}"
        )


def expected_tensors(kind: Kind, numbers: Hyperparameters) -> Iterator[tuple[str, _Shape]]:
    """Names and shapes, a row's length first."""
    width = numbers.width or 0
    yield "token_embd.weight", (width, numbers.vocabulary or 0)
    yield "output_norm.weight", (width,)
    for layer in range(numbers.layers or 0):
        for name, shape in _of_layer(kind, numbers, layer):
            yield f"blk.{layer}.{name}", shape


def _of_layer(kind: Kind, numbers: Hyperparameters, layer: int) -> Iterator[tuple[str, _Shape]]:
    width, key, value = numbers.width or 0, numbers.key_length or 0, numbers.value_length or 0
    heads, kv_heads = at_layer(numbers.heads or (0,), layer), at_layer(numbers.kv_heads or (0,), layer)
    ffn = at_layer(numbers.ffn or (0,), layer)
    queries, keys, values = heads * key, kv_heads * key, kv_heads * value
    for norm in kind.norms:
        yield f"{norm}.weight", (width,)
    for norm in kind.head_norms:
        yield f"{norm}.weight", (key,)
    if kind.fused:
        yield "attn_qkv.weight", (width, queries + keys + values)
        yield "ffn_up.weight", (width, 2 * ffn)
    else:
        for name, rows in (("attn_q", queries), ("attn_k", keys), ("attn_v", values)):
            yield f"{name}.weight", (width, rows)
            if kind.biased:
                yield f"{name}.bias", (rows,)
        yield "ffn_gate.weight", (width, ffn)
        yield "ffn_up.weight", (width, ffn)
    yield "attn_output.weight", (heads * value, width)
    yield "ffn_down.weight", (ffn, width)


def _paired(left: tuple[int, ...], right: tuple[int, ...]) -> tuple[tuple[int, ...], tuple[int, ...]]:
    length = max(len(left), len(right))
    return left * (length // len(left)), right * (length // len(right))


def _error(message: str) -> Problem:
    return Problem(severity="error", message=message)
