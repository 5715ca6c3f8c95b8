"""What an architecture tells the converter: metadata to write, and where each tensor comes from."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import ClassVar, Protocol

import numpy as np
from gguf import GGUFWriter
from numpy.typing import NDArray

from .checkpoint import JsonObject
from .safetensors import Weight, to_float32


@dataclass(frozen=True)
class PlannedTensor:
    """A tensor of the output. `shape` as in PyTorch, [rows, columns] or [n]."""

    name: str
    shape: tuple[int, ...]
    source: Weight | NDArray[np.float32]
    row_order: NDArray[np.intp] | None = None
    """Row i of the output is row row_order[i] of the source."""
    added: float = 0.0
    """To every weight: some families keep their norms without the one that they are multiplied with."""

    @property
    def rows(self) -> int:
        """A vector is one row, unless its elements are moved."""
        return self.shape[0] if len(self.shape) > 1 or self.row_order is not None else 1

    @property
    def columns(self) -> int:
        return math.prod(self.shape) // self.rows

    def read(self, start: int, stop: int) -> NDArray[np.float32]:
        """Rows of the output, [stop - start, columns]; no more is read of the source than lies between them."""
        if self.row_order is None:
            found = self._source_rows(start, stop)
        else:
            order = self.row_order[start:stop]
            first = int(order.min())
            found = self._source_rows(first, int(order.max()) + 1)[order - first]
        return found + np.float32(self.added) if self.added else found

    def _source_rows(self, start: int, stop: int) -> NDArray[np.float32]:
        if isinstance(self.source, Weight):
            return to_float32(self.source.rows(start, stop, self.columns))
        return self.source.reshape(self.rows, self.columns)[start:stop]


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

    gguf_name: ClassVar[str]

    def plan(self, config: JsonObject, weights: dict[str, Weight]) -> Plan:
        """Raises ModelUnsupported or SourceInvalid."""

    def write_metadata(self, config: JsonObject, writer: GGUFWriter) -> None: ...
