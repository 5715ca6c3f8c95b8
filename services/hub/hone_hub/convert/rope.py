"""Rotary position settings out of a config.json, in its older and newer spelling, as llama.cpp takes them."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from gguf import GGUFWriter, RopeScalingType
from numpy.typing import NDArray

from ..errors import ModelUnsupported, SourceInvalid
from .checkpoint import JsonObject

_LOOK_FOR_GGUF = "look for a GGUF of this model"
_AGAIN = "download the model folder again"
# What a factor or a base may be, so that float32 holds all that is computed of them.
_LEAST, _MOST = 1e-6, 1e12
# llama.cpp's and transformers' own.
_BETA_FAST, _BETA_SLOW = 32.0, 1.0


@dataclass(frozen=True)
class Linear:
    """Positions closer together."""

    factor: float

    def write(self, writer: GGUFWriter) -> None:
        writer.add_rope_scaling_type(RopeScalingType.LINEAR)
        writer.add_rope_scaling_factor(self.factor)


@dataclass(frozen=True)
class Llama3:
    """Frequencies slowed down by wavelength, as Llama 3.1 and later do."""

    factor: float
    low_freq_factor: float
    high_freq_factor: float
    original_context: int

    def write(self, writer: GGUFWriter) -> None:
        """All of it is in ``rope_freqs.weight``."""

    def frequency_factors(self, theta: float, dims: int) -> NDArray[np.float32]:
        """What each of the dims/2 frequencies is divided by: llama.cpp's `rope_freqs.weight`.

        Source: transformers, modeling_rope_utils._compute_llama3_parameters.
        """
        frequencies = theta ** -(np.arange(0, dims, 2, dtype=np.float64) / dims)  # [dims/2]
        wavelengths = 2 * math.pi / frequencies
        turns = self.original_context / wavelengths
        smooth = (turns - self.low_freq_factor) / (self.high_freq_factor - self.low_freq_factor)
        factors = 1 / ((1 - smooth) / self.factor + smooth)
        factors = np.where(turns > self.high_freq_factor, 1.0, factors)
        factors = np.where(turns < self.low_freq_factor, self.factor, factors)
        return factors.astype(np.float32)


@dataclass(frozen=True)
class Yarn:
    """Slow frequencies interpolated, fast ones kept, and attention scaled. Source: arxiv.org/abs/2309.00071."""

    factor: float
    original_context: int
    attention_factor: float | None

    def write(self, writer: GGUFWriter) -> None:
        writer.add_rope_scaling_type(RopeScalingType.YARN)
        writer.add_rope_scaling_factor(self.factor)
        writer.add_rope_scaling_orig_ctx_len(self.original_context)
        if self.attention_factor is not None:
            # llama.cpp multiplies what the paper gives by this.
            writer.add_rope_scaling_attn_factors(self.attention_factor / (0.1 * math.log(self.factor) + 1))


@dataclass(frozen=True)
class LongRope:
    """A factor for each frequency, of one list up to the original context and of another beyond: Phi-3."""

    short: tuple[float, ...]
    long: tuple[float, ...]
    original_context: int
    attention_factor: float

    def write(self, writer: GGUFWriter) -> None:
        writer.add_rope_scaling_type(RopeScalingType.LONGROPE)
        writer.add_rope_scaling_orig_ctx_len(self.original_context)
        writer.add_rope_scaling_attn_factors(self.attention_factor)

    def tensors(self) -> dict[str, NDArray[np.float32]]:
        return {
            "rope_factors_long.weight": np.array(self.long, np.float32),
            "rope_factors_short.weight": np.array(self.short, np.float32),
        }


@dataclass(frozen=True)
class Rope:
    """``dims`` of each head are rotated. ``usable_context`` is set where llama.cpp can follow no further."""

    theta: float
    dims: int
    scaling: Linear | Llama3 | Yarn | LongRope | None = None
    usable_context: int | None = None

    def write(self, writer: GGUFWriter) -> None:
        writer.add_rope_dimension_count(self.dims)
        writer.add_rope_freq_base(self.theta)
        if self.scaling is not None:
            self.scaling.write(writer)

    def tensors(self) -> dict[str, NDArray[np.float32]]:
        """Computed ones that belong in the file."""
        if isinstance(self.scaling, Llama3):
            return {"rope_freqs.weight": self.scaling.frequency_factors(self.theta, self.dims)}
        return self.scaling.tensors() if isinstance(self.scaling, LongRope) else {}


def settings_of(config: JsonObject) -> JsonObject:
    """`rope_parameters` (transformers 5) or `rope_theta` and `rope_scaling` (before), as one."""
    settings = config.get("rope_parameters") or config.get("rope_scaling") or {}
    if not isinstance(settings, dict):
        raise SourceInvalid("the rope settings in config.json are malformed", _AGAIN)
    outer = {
        key: config[key]
        for key in ("rope_theta", "partial_rotary_factor", "original_max_position_embeddings")
        if config.get(key) is not None
    }
    return outer | {key: value for key, value in settings.items() if value is not None}


def read_rope(settings: JsonObject, head_dim: int, context: int) -> Rope:
    """Of ``settings_of``. Raises ModelUnsupported for what llama.cpp cannot repeat."""
    theta = _positive(settings.get("rope_theta", 10000.0), "rope_theta")
    dims = int(head_dim * _positive(settings.get("partial_rotary_factor", 1.0), "partial_rotary_factor"))
    if dims % 2 or not 2 <= dims <= head_dim:
        raise SourceInvalid(f"{dims} of a head's {head_dim} values are rotated", "correct config.json")
    kind = settings.get("rope_type", settings.get("type", "default"))
    match kind:
        case "default":
            return Rope(theta, dims)
        case "linear":
            return Rope(theta, dims, Linear(_positive(settings.get("factor"), "factor")))
        case "llama3":
            return Rope(theta, dims, _llama3(settings))
        case "yarn":
            return Rope(theta, dims, _yarn(settings, context))
        case "longrope" | "su":
            return Rope(theta, dims, _longrope(settings, dims, context))
        case "dynamic":
            # Up to the original context it changes nothing; beyond, the frequencies depend on the text's length.
            original = settings.get("original_max_position_embeddings", context)
            return Rope(theta, dims, usable_context=_whole(original, "original_max_position_embeddings"))
        case _:
            raise ModelUnsupported(f"rope scaling {kind!r} cannot be converted", _LOOK_FOR_GGUF)


def _llama3(settings: JsonObject) -> Llama3:
    low = _positive(settings.get("low_freq_factor"), "low_freq_factor")
    high = _positive(settings.get("high_freq_factor"), "high_freq_factor")
    if high <= low:
        raise SourceInvalid("high_freq_factor is not above low_freq_factor", _AGAIN)
    original = _whole(settings.get("original_max_position_embeddings"), "original_max_position_embeddings")
    return Llama3(_positive(settings.get("factor"), "factor"), low, high, original)


def _yarn(settings: JsonObject, context: int) -> Yarn:
    _only_defaults(settings, {"beta_fast": _BETA_FAST, "beta_slow": _BETA_SLOW, "truncate": True})
    if settings.get("mscale") or settings.get("mscale_all_dim"):
        raise ModelUnsupported("yarn with an mscale of its own cannot be converted", _LOOK_FOR_GGUF)
    factor = _positive(settings.get("factor"), "factor")
    if factor < 1:
        raise SourceInvalid(f"yarn's factor in config.json is {factor:g}, below one", "correct config.json")
    original = settings.get("original_max_position_embeddings", context)
    given = settings.get("attention_factor")
    return Yarn(
        factor,
        _whole(original, "original_max_position_embeddings"),
        None if given is None else _positive(given, "attention_factor"),
    )


def _longrope(settings: JsonObject, dims: int, context: int) -> LongRope:
    original = _whole(
        settings.get("original_max_position_embeddings", context), "original_max_position_embeddings"
    )
    given = settings.get("attention_factor")
    if given is None:
        factor = settings.get("factor")
        longer = _positive(factor, "factor") if factor is not None else context / original
        computed = math.sqrt(1 + math.log(longer) / math.log(original)) if longer > 1 else 1.0
    else:
        computed = _positive(given, "attention_factor")
    return LongRope(
        _factors(settings, "short_factor", dims), _factors(settings, "long_factor", dims), original, computed
    )


def _factors(settings: JsonObject, name: str, dims: int) -> tuple[float, ...]:
    found = settings.get(name)
    if not isinstance(found, list) or len(found) != dims // 2:
        raise SourceInvalid(f"{name} in config.json is no list of {dims // 2} numbers", _AGAIN)
    return tuple(_positive(each, name) for each in found)


def _only_defaults(settings: JsonObject, defaults: Mapping[str, object]) -> None:
    for name, value in defaults.items():
        if settings.get(name, value) != value:
            raise ModelUnsupported(f"{name} of {settings[name]!r} cannot be converted", _LOOK_FOR_GGUF)


def _whole(value: object, name: str) -> int:
    """A number of tokens: from two on, since its logarithm divides."""
    found = _positive(value, name)
    if not 2 <= found < 1 << 31:
        raise SourceInvalid(f"{name} in config.json is {found:g}, no number of tokens", "correct config.json")
    return int(found)


def _positive(value: object, name: str) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not _LEAST <= value <= _MOST:
        raise SourceInvalid(
            f"{name} in config.json is {value!r:.40}, not a usual positive number", "correct config.json"
        )
    return float(value)
