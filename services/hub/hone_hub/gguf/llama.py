"""Which tensors a file of the llama architecture must hold, and in which shapes.

Source: llama.cpp, src/models/llama.cpp. A tensor too many or of another shape fails the load there.
"""

from __future__ import annotations

from collections.abc import Iterator

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


def llama_problems(header: Header, numbers: Hyperparameters) -> Iterator[Problem]:
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
    expected = dict(_expected(numbers))
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


def _expected(numbers: Hyperparameters) -> Iterator[tuple[str, _Shape]]:
    """Names and shapes, a row's length first."""
    width = numbers.width or 0
    yield "token_embd.weight", (width, numbers.vocabulary or 0)
    yield "output_norm.weight", (width,)
    for layer in range(numbers.layers or 0):
        heads, kv_heads = at_layer(numbers.heads or (0,), layer), at_layer(numbers.kv_heads or (0,), layer)
        ffn = at_layer(numbers.ffn or (0,), layer)
        key, value = numbers.key_length or 0, numbers.value_length or 0
        for name, shape in {
            "attn_norm": (width,),
            "attn_q": (width, heads * key),
            "attn_k": (width, kv_heads * key),
            "attn_v": (width, kv_heads * value),
            "attn_output": (heads * value, width),
            "ffn_norm": (width,),
            "ffn_gate": (width, ffn),
            "ffn_up": (width, ffn),
            "ffn_down": (ffn, width),
        }.items():
            yield f"blk.{layer}.{name}.weight", shape


def _paired(left: tuple[int, ...], right: tuple[int, ...]) -> tuple[tuple[int, ...], tuple[int, ...]]:
    length = max(len(left), len(right))
    return left * (length // len(left)), right * (length // len(right))


def _error(message: str) -> Problem:
    return Problem(severity="error", message=message)
