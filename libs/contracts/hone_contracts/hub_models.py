"""Models that a person adds: fetched, converted where needed, served and proven, registered; and removed again."""

from datetime import datetime
from typing import Any, ClassVar, Literal

from pydantic import BaseModel, ConfigDict, Field

from hone_contracts import subjects
from hone_contracts.errors import ErrorBody, Request
from hone_contracts.huggingface import REVISION, MemoryFigures
from hone_contracts.messages import Command, Event

Destination = Literal["ollama", "llamacpp"]

SourceKind = Literal["huggingface", "file", "folder", "ollama"]
"""``file``: a GGUF on the hub's disk; ``folder``: safetensors there; ``ollama``: a name of Ollama's library."""

MODEL_NAME = r"^[A-Za-z0-9_][A-Za-z0-9._-]{0,79}(:[A-Za-z0-9_][A-Za-z0-9._-]{0,79})?$"
"""What providers take as a name, with a tag or without."""


class AddModel(Command):
    """Bring a model to who serves it: the whole way from a name to a proven answer, as one job."""

    subject = subjects.command("hub", "add")

    source: str = Field(
        min_length=1,
        max_length=4096,
        description="owner/name on Hugging Face, ollama:NAME of Ollama's library, or file:// of a .gguf or a folder",
    )
    revision: str | None = Field(default=None, pattern=REVISION)
    quant: str = Field(default="auto", max_length=40)
    name: str | None = Field(default=None, pattern=MODEL_NAME, description="made of the source when None")
    context_tokens: int | None = Field(default=None, ge=1, le=1 << 24)
    destinations: tuple[Destination, ...] | None = Field(
        default=None,
        description="None: Ollama where one answers, else the embedded engine; (): only downloaded",
    )
    template: str | None = Field(
        default=None,
        max_length=100_000,
        description="chat template in Go's language, for Ollama; found when None",
    )
    replace: bool = Field(default=False, description="take the place of another model of the same name")
    force: bool = Field(default=False, description="go on although it is predicted not to fit")


class ModelSource(BaseModel):
    """Where a model is from. ``repository`` is the name at its hub or library, or a path; ``revision`` a commit."""

    model_config = ConfigDict(frozen=True)

    kind: SourceKind
    repository: str
    revision: str | None = None
    files: tuple[str, ...] = ()


class AddedModel(BaseModel):
    """A model that the hub brought. ``references`` are what routes and requests call it; none while it is only
    downloaded."""

    model_config = ConfigDict(frozen=True)

    name: str
    references: tuple[str, ...] = ()
    source: ModelSource
    licence: str | None = None
    architecture: str | None = None
    parameters: int | None = None
    quant: str | None = None
    context_tokens: int | None = Field(default=None, description="that it was trained for")
    uri: str = Field(
        default="", description="of its file on the hub's disk; empty where only its provider has it"
    )
    sha256: str = ""
    size_bytes: int = 0
    memory: MemoryFigures | None = None
    template_sha256: str = Field(
        default="", description="of the chat template's text; empty where it has none"
    )
    proof: dict[str, Any] = {}
    warnings: tuple[str, ...] = ()
    added_at: datetime


class ModelAdded(Event):
    subject = subjects.event("model", "added")

    model: AddedModel


class AdditionFailed(Event):
    """Nothing of the model is at a provider; what was downloaded stays, so that another try goes on from there."""

    subject = subjects.event("addition", "failed")

    error: ErrorBody


class RemoveModel(Command):
    """Take a model away from providers, disk and registry; refused with ``model_in_use`` while a route names it."""

    subject = subjects.command("hub", "remove")

    name: str = Field(min_length=1, max_length=500, description="its name, or one of its references")


class ModelRemoved(Event):
    subject = subjects.event("model", "removed")

    name: str
    references: tuple[str, ...] = ()
    freed_bytes: int = 0


class RemovalFailed(Event):
    subject = subjects.event("removal", "failed")

    error: ErrorBody


class ListAddedModels(Request):
    subject: ClassVar[str] = subjects.rpc("hub", "list_models")


class AddedModels(BaseModel):
    """By name."""

    model_config = ConfigDict(frozen=True)

    models: tuple[AddedModel, ...]


class ReleaseModel(Request):
    """Let go of these references, all or none: they are hidden from lists and may not be routed to any more.

    Answered by the registry, with the same answer when asked twice; refused with ``model_in_use``, the routes in the
    error's fields. A later ``ModelAdded`` brings them back.
    """

    subject: ClassVar[str] = subjects.rpc("registry", "release_model")

    references: tuple[str, ...] = Field(min_length=1, max_length=20)
    actor: str = Field(default="unknown", max_length=200)


class ModelReleased(BaseModel):
    model_config = ConfigDict(frozen=True)

    references: tuple[str, ...]
