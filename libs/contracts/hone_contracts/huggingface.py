"""Models on Hugging Face, or a mirror that speaks its protocol: searching them, and looking before downloading."""

from datetime import datetime
from typing import ClassVar, Literal

from pydantic import BaseModel, ConfigDict, Field

from hone_contracts import subjects
from hone_contracts.errors import Request

Verdict = Literal["runs", "convertible", "unsupported"]
"""``runs``: there is a GGUF of an architecture that the engines know. ``convertible``: safetensors that Hone makes a
GGUF of. ``unsupported``: neither, and the reason says why."""

REPOSITORY = r"^[A-Za-z0-9][A-Za-z0-9._-]{0,95}(/[A-Za-z0-9][A-Za-z0-9._-]{0,95})?$"
"""``owner/name``; a few old models have no owner."""

REVISION = r"^[A-Za-z0-9][A-Za-z0-9._/-]{0,199}$"
"""Branch, tag or commit."""


class SearchModels(Request):
    subject: ClassVar[str] = subjects.rpc("hub", "search")

    query: str = Field(min_length=1, max_length=200)
    limit: int = Field(default=20, ge=1, le=100)


class FoundModel(BaseModel):
    """None where the hub does not say."""

    model_config = ConfigDict(frozen=True)

    id: str
    downloads: int | None = None
    likes: int | None = None
    updated_at: datetime | None = None
    licence: str | None = None
    gated: bool = Field(
        default=False, description="its terms must be accepted on the hub before it is downloaded"
    )
    private: bool = False
    formats: tuple[str, ...] = Field(default=(), description="gguf, safetensors, pickle, ...")
    architecture: str | None = None
    parameters: int | None = None
    verdict: Verdict
    reason: str


class FoundModels(BaseModel):
    """In the hub's order: most downloaded first."""

    model_config = ConfigDict(frozen=True)

    models: tuple[FoundModel, ...]


class InspectRepository(Request):
    """Everything that can be known of a repository without downloading its weights."""

    subject: ClassVar[str] = subjects.rpc("hub", "inspect_repository")

    repository: str = Field(pattern=REPOSITORY)
    revision: str | None = Field(default=None, pattern=REVISION)
    context_tokens: int | None = Field(
        default=None, ge=1, le=1 << 24, description="what the memory is predicted for; a usual one when None"
    )
    quant: str = Field(default="auto", max_length=40, description="as in Q4_K_M; auto: the best that fits")


class RepositoryFile(BaseModel):
    """``sha256`` is the hub's for large files, ``blob_id`` Git's for small ones."""

    model_config = ConfigDict(frozen=True)

    path: str
    size_bytes: int
    sha256: str | None = None
    blob_id: str | None = None


class MemoryFigures(BaseModel):
    """Bytes that a model takes while it answers, at ``context_tokens``."""

    model_config = ConfigDict(frozen=True)

    context_tokens: int
    weights_bytes: int
    kv_cache_bytes: int
    compute_bytes: int
    total_bytes: int


class MemoryPlace(BaseModel):
    """Where a model could be held: a card, or the machine's memory."""

    model_config = ConfigDict(frozen=True)

    kind: Literal["gpu", "ram"]
    name: str
    total_bytes: int
    free_bytes: int


class WeightGroup(BaseModel):
    """The files of one quantization, shards together. ``fits`` names the place that holds it, "" where none does."""

    model_config = ConfigDict(frozen=True)

    quant: str = Field(
        description="Q4_K_M, UD-Q4_K_XL, F16, BF16, ... ; of safetensors what they are stored as"
    )
    format: Literal["gguf", "safetensors"]
    files: tuple[RepositoryFile, ...]
    size_bytes: int
    memory: MemoryFigures | None = None
    fits: str = ""
    problem: str = Field(
        default="", description="why it cannot be used: a shard is missing, its header is broken"
    )


class RepositoryReport(BaseModel):
    """``chosen`` is one of ``groups`` by its index; ``reasons`` say why that one, the order of preference first."""

    model_config = ConfigDict(frozen=True)

    id: str
    revision: str = Field(description="commit that everything here is of")
    licence: str | None = None
    gated: bool = False
    private: bool = False
    architecture: str | None = None
    parameters: int | None = None
    layers: int | None = None
    heads: int | None = None
    kv_heads: int | None = None
    context_length: int | None = None
    chat_template: str | None = None
    groups: tuple[WeightGroup, ...] = ()
    projectors: tuple[RepositoryFile, ...] = Field(default=(), description="mmproj files: for images")
    matrices: tuple[RepositoryFile, ...] = Field(default=(), description="imatrix files: made for quantizing")
    beside: tuple[RepositoryFile, ...] = Field(
        default=(), description="what converting needs beside safetensors: configuration, tokenizer, template"
    )
    places: tuple[MemoryPlace, ...] = ()
    chosen: int | None = None
    convert_to: str | None = Field(
        default=None, description="quantization, where the chosen group is converted"
    )
    reasons: tuple[str, ...] = ()
    verdict: Verdict
    reason: str
    warnings: tuple[str, ...] = ()
    imported: bool = Field(
        default=False, description="safetensors that Ollama itself makes a model of, and nobody else here"
    )
