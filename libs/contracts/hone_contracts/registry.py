"""Models, versions and routes: what registry knows and tells."""

from datetime import datetime
from typing import Any, ClassVar, Final, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

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

    model_config = ConfigDict(frozen=True)

    connect_s: float = Field(default=5.0, gt=0, le=600)
    first_token_s: float = Field(default=60.0, gt=0, le=3600)
    total_s: float = Field(default=120.0, gt=0, le=3600)


class Budget(BaseModel):
    """What a whole request may take and cost, over all attempts of all models; None is no limit."""

    model_config = ConfigDict(frozen=True)

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

    @model_validator(mode="before")
    @classmethod
    def _one_limit_of_old(cls, route: Any) -> Any:
        """Before there were three limits, a route had ``timeout_s``; the routing table may still hold such ones."""
        if isinstance(route, dict) and "timeout_s" in route and "limits" not in route:
            return route | {"limits": {"total_s": route["timeout_s"]}}
        return route

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
    """``route`` as it is from now on; as it last was, when it was removed."""

    subject = subjects.event("route", "changed")

    route: Route
    removed: bool = False


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
    """The routing table by artifact type and ``default``. ``set_by`` tells for each whether it is Hone's own
    (``default``) or a routes file's (``user``)."""

    model_config = ConfigDict(frozen=True)

    routes: dict[str, Route]
    set_by: dict[str, str] = {}


MAX_ROUTES_CHARS = 64 * 1024
"""A file with every key of every type has about 10,000."""


class ApplyRoutes(Request):
    """Make the table what this routes file says (docs/routes.md), all of it or nothing.

    A file with faults is refused with the code ``bad_routes``, the faults in the error's fields.
    """

    subject: ClassVar[str] = subjects.rpc("registry", "apply_routes")

    text: str = Field(description="YAML, or JSON, which is YAML too")
    actor: str = Field(default="unknown", max_length=200, description="who asks, for the audit trail")
    dry_run: bool = Field(default=False, description="say what would change, and change nothing")


class RouteFault(BaseModel):
    """What is wrong with a routes file, and where: ``key`` is the path to it, as in ``mermaid_erd.limits.total``."""

    model_config = ConfigDict(frozen=True)

    line: int = Field(ge=1)
    key: str
    reason: str


class RouteChange(BaseModel):
    """One route before and after; None where there was, or is, none."""

    model_config = ConfigDict(frozen=True)

    artifact_type: RouteKey
    before: Route | None
    after: Route | None


class RoutesApplied(BaseModel):
    """What a routes file changed, or would change, and the whole table after it."""

    model_config = ConfigDict(frozen=True)

    dry_run: bool
    changes: tuple[RouteChange, ...]
    table: Routes
