"""What the hub's service and its worker processes say to each other: JSON, one document a line."""

from pathlib import Path
from typing import Any, ClassVar, Literal

from pydantic import BaseModel, Field

from hone_contracts.errors import ErrorBody
from hone_contracts.hub import Quantization
from hone_contracts.huggingface import InspectRepository, MemoryPlace, RepositoryFile, SearchModels

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
    """Load a file in llama.cpp, ask it, and see what it makes of conversations."""

    worker: ClassVar[str] = "hone_hub.deploy.llamacpp_prover"
    path: Path
    context_tokens: int
    threads: int
    questions: tuple[str, ...]
    max_tokens: int
    conversations: tuple[Conversation, ...]


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


class AskHubWork(BaseModel):
    """A question to the hub of models. ``places`` is where a model could be held; no header is begun after
    ``header_seconds``."""

    worker: ClassVar[str] = "hone_hub.huggingface.worker"

    endpoint: str
    token: str | None = Field(repr=False)
    question: SearchModels | InspectRepository
    places: tuple[MemoryPlace, ...] = ()
    header_seconds: float


Work = ConvertWork | InspectWork | RenderWork | ProveWork | DownloadWork | MergeWork | ImportWork | AskHubWork


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

    ``rendered`` is None where the chat template refuses one."""

    load_ms: float
    answers: tuple[Answer, ...]
    rendered: tuple[str | None, ...]
    token_ids: tuple[tuple[int, ...], ...]


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
