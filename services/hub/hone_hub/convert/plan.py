"""What an architecture tells the converter: metadata to write, and where each tensor comes from."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np
from gguf import GGUFWriter
from numpy.typing import NDArray

from .checkpoint import JsonObject
from .safetensors import Weight


@dataclass(frozen=True)
class PlannedTensor:
    """A tensor of the output. `shape` as in PyTorch, [rows, columns] or [n]."""

    name: str
    shape: tuple[int, ...]
    source: Weight | NDArray[np.float32]
    row_order: NDArray[np.intp] | None = None
    """Row i of the output is row row_order[i] of the source."""

    def load(self) -> NDArray[Any]:
        stored = self.source.load() if isinstance(self.source, Weight) else self.source
        return stored if self.row_order is None else stored[self.row_order]


@dataclass(frozen=True)
class Plan:
    tensors: list[PlannedTensor]
    vocabulary_size: int
    """Rows of the embedding; the token list must have exactly as many entries."""
    warnings: list[str] = field(default_factory=list)

    @property
    def parameters(self) -> int:
        """Weights of the model; computed tensors such as rope_freqs are not counted."""
        return sum(math.prod(tensor.shape) for tensor in self.tensors if isinstance(tensor.source, Weight))


class Architecture(Protocol):
    """One model family. Add a family by writing one module with this shape and naming it in `architectures`."""

    gguf_name: str

    def plan(self, config: JsonObject, weights: dict[str, Weight]) -> Plan:
        """Raises ModelUnsupported or SourceInvalid."""

    def write_metadata(self, config: JsonObject, writer: GGUFWriter) -> None: ...
