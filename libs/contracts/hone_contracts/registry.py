"""Models, versions and routes: what registry knows and tells."""

from datetime import datetime
from typing import Any, ClassVar, Final, Literal

from pydantic import BaseModel, ConfigDict, Field

from hone_contracts import subjects
from hone_contracts.artifacts import ArtifactType
from hone_contracts.errors import Request
from hone_contracts.messages import Event

Reading = Literal["whole", "passages", "passages_schema"]
"""How a text is read: at once; passage by passage in the compact form that Hone's own models are trained on, under
a grammar; or passage by passage with instructions and a JSON schema, for a general model with a small context."""


DEFAULT_ROUTE: Final = "default"
"""The route of every artifact type that has none of its own, and of chats that name no model."""

RouteKey = ArtifactType | Literal["default"]

DEFAULT_CLOUD_MODELS = ("gemini:gemini-2.5-flash", "openai:gpt-4.1", "anthropic:claude-sonnet-4-5")


class TimeLimits(BaseModel):
    """What one call of one model may take. Waiting in Hone's own queue and loading a model do not count."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    connect_s: float = Field(default=5.0, gt=0, le=600)
    first_token_s: float = Field(default=60.0, gt=0, le=3600)
    total_s: float = Field(default=120.0, gt=0, le=3600)


class Budget(BaseModel):
    """What a whole request may take and cost, over all attempts of all models; None is no limit."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    deadline_s: float = Field(default=600.0, gt=0, le=7200)
    max_tokens: int | None = Field(default=None, gt=0, description="prompt and answer tokens together")
    max_cost_usd: float | None = Field(default=None, ge=0, description="what cloud models may cost")


class RouteModel(BaseModel):
    """A model of a route, and how it reads the requirements. The last three are known of models that Hone keeps."""

    model_config = ConfigDict(frozen=True)

    model: str = Field(description="model reference, provider:model[:tag]")
    reading: Reading = "whole"
    model_uri: str | None = Field(default=None, description="where the weights lie, for in-process models")
    model_sha256: str | None = None
    version: int = 1


class Route(RouteModel):
    """Which models answer for an artifact type: the route's own model first, then ``fallbacks`` in their order,
    then, if ``cloud`` allows it, ``cloud_models``. The best answer wins; the first at ``threshold`` ends the search
    (``best_of`` asks the same model that often before it is compared)."""

    model_config = ConfigDict(frozen=True)

    artifact_type: RouteKey
    fallbacks: tuple[RouteModel, ...] = ()
    enabled: bool = True
    threshold: int = Field(default=60, ge=0, le=100)
    attempts_per_model: int = Field(default=3, ge=1, le=10)
    best_of: int = Field(default=1, ge=1, le=10)
    temperature: float = Field(default=0.0, ge=0, le=2)
    limits: TimeLimits = TimeLimits()
    budget: Budget = Budget()
    cloud: bool = Field(default=False, description="whether the text may be sent to cloud models")
    cloud_models: tuple[str, ...] = DEFAULT_CLOUD_MODELS

    @property
    def local_models(self) -> tuple[RouteModel, ...]:
        """The route's own model and its fallbacks."""
        own = RouteModel(**{name: getattr(self, name) for name in RouteModel.model_fields})
        return (own, *self.fallbacks)


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
