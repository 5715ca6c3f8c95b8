"""What the hub's service and its worker processes say to each other: JSON, one document a line."""

from pathlib import Path
from typing import Any, ClassVar, Literal

from pydantic import BaseModel, ConfigDict, Field

from hone_contracts.errors import ErrorBody
from hone_contracts.hub import Quantization
from hone_contracts.huggingface import (
    REPOSITORY,
    REVISION,
    InspectRepository,
    MemoryPlace,
    RepositoryFile,
    SearchModels,
)

Conversation = tuple[dict[str, str], ...]
"""Messages with ``role`` and ``content``."""


class ConvertWork(BaseModel):
    """``name`` and ``version`` are what the file calls its model; the source folder's name when None."""

    worker: ClassVar[str] = "hone_hub.worker"
    kind: Literal["convert"] = "convert"
    source: Path
    target: Path
    quantization: Quantization
    overwrite: bool
    name: str | None = None
    version: str | None = None


class CheckpointWork(BaseModel):
    """Whether a folder can be trained and then converted."""

    worker: ClassVar[str] = "hone_hub.worker"
    kind: Literal["checkpoint"] = "checkpoint"
    folder: Path


class InspectWork(BaseModel):
    """``others`` are the further files of a model in several, which is inspected as one."""

    worker: ClassVar[str] = "hone_hub.worker"
    kind: Literal["inspect"] = "inspect"
    path: Path
    others: tuple[Path, ...] = ()


class RenderWork(BaseModel):
    """What a file's chat template makes of conversations; ``as_engine``: of what llama.cpp gives it."""

    worker: ClassVar[str] = "hone_hub.worker"
    kind: Literal["render"] = "render"
    path: Path
    conversations: tuple[Conversation, ...]
    as_engine: bool = False


class ProveWork(BaseModel):
    """Load a file in llama.cpp, ask it, and see what it makes of conversations. ``ends``: and which tokens end an
    answer."""

    worker: ClassVar[str] = "hone_hub.deploy.llamacpp_prover"
    path: Path
    context_tokens: int
    threads: int
    questions: tuple[str, ...]
    max_tokens: int
    conversations: tuple[Conversation, ...]
    ends: bool = False


class DownloadWork(BaseModel):
    """Files of one repository. ``folder`` is the cache's. ``token`` goes over stdin, never through arguments or the
    environment."""

    worker: ClassVar[str] = "hone_hub.downloads.worker"

    endpoint: str
    token: str | None = Field(repr=False)
    repository: str
    revision: str
    files: tuple[RepositoryFile, ...]
    folder: str
    parallel_files: int
    spare_bytes: int


class MergeWork(BaseModel):
    """Shards of one model as one file, which is written nowhere."""

    worker: ClassVar[str] = "hone_hub.deploy.models.merging"

    paths: tuple[Path, ...]


class ImportWork(BaseModel):
    """What a folder of safetensors is to who imports it by itself."""

    worker: ClassVar[str] = "hone_hub.deploy.models.importing"

    folder: Path
    conversations: tuple[Conversation, ...]


class FindCheckpoint(BaseModel):
    """Where the weights of a repository are that can be trained."""

    model_config = ConfigDict(frozen=True)

    kind: Literal["checkpoint"]
    repository: str = Field(pattern=REPOSITORY)
    revision: str | None = Field(default=None, pattern=REVISION)


class FoundCheckpoint(BaseModel):
    """``repository`` may be another one than was asked for: what its GGUF files were made of. ``revision`` is a
    commit."""

    repository: str
    revision: str
    licence: str | None
    files: tuple[RepositoryFile, ...]


class AskHubWork(BaseModel):
    """A question to the hub of models. ``places`` is where a model could be held; no header is begun after
    ``header_seconds``."""

    worker: ClassVar[str] = "hone_hub.huggingface.worker"

    endpoint: str
    token: str | None = Field(repr=False)
    question: FindCheckpoint | SearchModels | InspectRepository = Field(union_mode="left_to_right")
    places: tuple[MemoryPlace, ...] = ()
    header_seconds: float


Work = (
    ConvertWork
    | CheckpointWork
    | InspectWork
    | RenderWork
    | ProveWork
    | DownloadWork
    | MergeWork
    | ImportWork
    | AskHubWork
)


class Answer(BaseModel):
    """``finish``: ``stop`` when the model ended by itself, ``length`` when it was cut off."""

    text: str
    finish: str | None
    prompt_tokens: int
    completion_tokens: int


class Prompt(BaseModel):
    """A conversation as the model reads it."""

    conversation: Conversation
    token_ids: tuple[int, ...]


class Proof(BaseModel):
    """What became of a ``ProveWork``: answers to its questions, text and token ids of its conversations.

    ``rendered`` is None where the chat template refuses one; it lacks a BOS that the tokenizer adds to ``token_ids``.
    ``end_ids`` are the tokens that end an answer, where that was asked."""

    load_ms: float
    answers: tuple[Answer, ...]
    rendered: tuple[str | None, ...]
    token_ids: tuple[tuple[int, ...], ...]
    end_ids: tuple[int, ...] = ()


class Step(BaseModel):
    """How far it is; ``done`` and ``total`` in bytes."""

    stage: str
    message: str
    done: int
    total: int


class Told(BaseModel):
    """One line of the worker. A report or an error is the last."""

    step: Step | None = None
    report: dict[str, Any] | None = None
    error: ErrorBody | None = None
