"""Rotary position settings out of a config.json, in its older and newer spelling."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..errors import ModelUnsupported, SourceInvalid
from .checkpoint import JsonObject


@dataclass(frozen=True)
class Llama3Scaling:
    """Frequencies slowed down by wavelength, as Llama 3.1 and later do."""

    factor: float
    low_freq_factor: float
    high_freq_factor: float
    original_context: int

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
class Rope:
    theta: float
    linear_factor: float | None = None
    llama3: Llama3Scaling | None = None


def read_rope(config: JsonObject) -> Rope:
    """`rope_parameters` (transformers 5) or `rope_theta` and `rope_scaling` (before)."""
    settings = config.get("rope_parameters") or config.get("rope_scaling") or {}
    if not isinstance(settings, dict):
        raise SourceInvalid(
            "the rope settings in config.json are malformed", "download the model folder again"
        )
    theta = _positive(settings.get("rope_theta", config.get("rope_theta", 10000.0)), "rope_theta")
    kind = settings.get("rope_type", settings.get("type", "default"))
    if kind == "default":
        return Rope(theta)
    if kind == "linear":
        return Rope(theta, linear_factor=_positive(settings.get("factor"), "factor"))
    if kind == "llama3":
        return Rope(theta, llama3=_llama3(settings))
    raise ModelUnsupported(f"rope scaling {kind!r} cannot be converted", "look for a GGUF of this model")


def _llama3(settings: JsonObject) -> Llama3Scaling:
    low = _positive(settings.get("low_freq_factor"), "low_freq_factor")
    high = _positive(settings.get("high_freq_factor"), "high_freq_factor")
    if high <= low:
        raise SourceInvalid(
            "high_freq_factor is not above low_freq_factor", "download the model folder again"
        )
    original = _positive(settings.get("original_max_position_embeddings"), "original_max_position_embeddings")
    return Llama3Scaling(_positive(settings.get("factor"), "factor"), low, high, int(original))


def _positive(value: object, name: str) -> float:
    if (
        isinstance(value, bool)
        or not isinstance(value, int | float)
        or not math.isfinite(value)
        or value <= 0
    ):
        raise SourceInvalid(
            f"{name} in config.json is {value!r}, not a positive number", "correct config.json"
        )
    return float(value)
