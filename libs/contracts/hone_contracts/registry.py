"""Models, versions and routes: what registry knows and tells."""

from datetime import datetime
from typing import Any, ClassVar, Literal

from pydantic import BaseModel, ConfigDict, Field

from hone_contracts import subjects
from hone_contracts.artifacts import ArtifactType
from hone_contracts.errors import Request
from hone_contracts.messages import Event

Reading = Literal["whole", "passages", "passages_schema"]
"""How a text is read: at once; passage by passage in the compact form that Hone's own models are trained on, under
a grammar; or passage by passage with instructions and a JSON schema, for a general model with a small context."""


class Route(BaseModel):
    """Which model answers for an artifact type, and how it reads the requirements."""

    model_config = ConfigDict(frozen=True)

    artifact_type: ArtifactType
    model: str = Field(description="model reference, provider:model[:tag]")
    model_uri: str | None = Field(default=None, description="where the weights lie, for in-process models")
    model_sha256: str | None = None
    version: int = 1
    reading: Reading = "whole"
    threshold: int = Field(default=60, ge=0, le=100)
    timeout_s: float = Field(default=120.0, gt=0)
    temperature: float = Field(default=0.0, ge=0, le=2)


class ModelVersion(BaseModel):
    model_config = ConfigDict(frozen=True)

    version: int
    uri: str
    sha256: str
    size_bytes: int
    aliases: tuple[str, ...] = ()
    created_at: datetime
    provenance: dict[str, Any] = {}


class Model(BaseModel):
    model_config = ConfigDict(frozen=True)

    name: str
    provider: str
    artifact_types: tuple[ArtifactType, ...]
    description: str = ""
    versions: tuple[ModelVersion, ...]


class RouteChanged(Event):
    subject = subjects.event("route", "changed")

    route: Route


class ListModels(Request):
    subject: ClassVar[str] = subjects.rpc("registry", "list_models")


class Models(BaseModel):
    models: tuple[Model, ...]


class ShowModel(Request):
    subject: ClassVar[str] = subjects.rpc("registry", "show_model")
    name: str


class ListRoutes(Request):
    subject: ClassVar[str] = subjects.rpc("registry", "list_routes")


class Routes(BaseModel):
    routes: dict[str, Route]
