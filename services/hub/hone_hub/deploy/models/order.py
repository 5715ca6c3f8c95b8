"""What is to be deployed, and what became of it."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class ModelFile:
    """A GGUF that passed inspection. ``shards`` are the others of a model in several files: path, digest, bytes."""

    path: Path
    sha256: str
    size_bytes: int
    shards: tuple[tuple[Path, str, int], ...] = ()

    def parts(self) -> Iterator[tuple[Path, str, int]]:
        """All files, the first one first."""
        yield self.path, self.sha256, self.size_bytes
        yield from self.shards

    @property
    def total_bytes(self) -> int:
        return sum(size_bytes for _, _, size_bytes in self.parts())


@dataclass(frozen=True)
class DeployOrder:
    """``file``, or a ``folder`` of safetensors that Ollama itself imports, quantized to ``quant``. ``template`` is in
    Go's language. ``replace``: another model of this name makes way, once this one is proven."""

    job: str
    name: str
    file: ModelFile | None
    folder: Path | None = None
    context_tokens: int | None = None
    template: str | None = None
    replace: bool = False
    quant: str | None = None


@dataclass(frozen=True)
class Placed:
    """``reference`` is what routes call it. ``uri`` is empty where only its provider has the file."""

    reference: str
    sha256: str
    size_bytes: int
    uri: str = ""
    proof: dict[str, Any] = field(default_factory=dict)
