"""What `hone hub inspect-file` shows of a GGUF."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import BaseModel, computed_field


class Problem(BaseModel):
    """`error`: a loader would refuse the file, or worse. `warning`: it loads, and something is odd."""

    severity: Literal["error", "warning"]
    message: str


class SpecialToken(BaseModel):
    id: int
    text: str | None
    """None when the id lies outside the vocabulary."""


class TokenizerReport(BaseModel):
    kind: str
    """`gpt2` is byte-level BPE, `llama` SentencePiece."""
    pre: str | None
    tokens: int
    merges: int
    special: dict[str, SpecialToken]
    """By role: bos, eos, eot, padding, unknown ..."""
    add_bos: bool | None
    add_eos: bool | None


class TemplateReport(BaseModel):
    """A chat template as text, and what became of a sample conversation in the sandbox."""

    text: str
    renders: bool | None
    """None when it was not tried."""
    sample: str | None = None
    error: str | None = None


class MemoryEstimate(BaseModel):
    """Bytes with every layer on one device, f16 KV cache and flash attention. See `memory.estimate`."""

    context: int
    parallel: int
    weights_bytes: int
    kv_cache_bytes: int
    compute_bytes: int

    @computed_field  # type: ignore[prop-decorator]  # mypy cannot see through computed_field on a property
    @property
    def total_bytes(self) -> int:
        return self.weights_bytes + self.kv_cache_bytes + self.compute_bytes


class GGUFReport(BaseModel):
    path: Path
    file_bytes: int
    sha256: str | None
    version: int
    architecture: str | None
    name: str | None
    model_version: str | None
    """What the file calls its model's version (general.version); `version` is that of the format."""
    quant: str | None
    """What the file calls itself (general.file_type); `tensor_types` is what is in it."""
    tensor_types: dict[str, int]
    """Bytes by tensor type, largest first."""
    tensors: int
    parameters: int
    context_length: int | None
    layers: int | None
    width: int | None
    heads: int | None
    kv_heads: int | None
    key_length: int | None
    value_length: int | None
    vocabulary: int | None
    tokenizer: TokenizerReport | None
    chat_template: TemplateReport | None
    memory: MemoryEstimate | None
    problems: list[Problem]

    @computed_field  # type: ignore[prop-decorator]  # mypy cannot see through computed_field on a property
    @property
    def ok(self) -> bool:
        """Whether the file may be given to a loader."""
        return not any(problem.severity == "error" for problem in self.problems)
