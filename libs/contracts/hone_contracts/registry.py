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


class Turn(BaseModel):
    """One side of an example, as the model reads it."""

    model_config = ConfigDict(frozen=True)

    role: Literal["user", "assistant"]
    content: str


class PromptVersion(BaseModel):
    """Examples that stand before each question. They are turns of one form of reading and belong to one wording of
    the instructions; a question of another form is asked without them."""

    model_config = ConfigDict(frozen=True)

    reading: Reading
    system: str = Field(default="", description="the instructions that the turns were written under")
    turns: tuple[Turn, ...]
    baked: bool = Field(
        default=False,
        description="the provider's own version holds system and turns: only questions are sent",
    )


class ServedVersion(BaseModel):
    """A version of a model as the generator can ask for it."""

    model_config = ConfigDict(frozen=True)

    model_uri: str | None = Field(default=None, description="where the weights lie, for in-process models")
    model_sha256: str | None = None
    version: int = 1
    served_by: str | None = Field(
        default=None,
        description="the reference under which its provider has this version; the model's when None",
    )
    prompt: PromptVersion | None = None


class CanaryVersion(ServedVersion):
    """A version that answers a share of the requests, to be seen at work before it may answer all."""

    share: float = Field(gt=0, le=1)


class RouteModel(ServedVersion):
    """A model of a route, and how it reads the requirements. What versions say is known of models that Hone keeps."""

    model: str = Field(description="model reference, provider:model[:tag]")
    reading: Reading = "whole"
    canary: CanaryVersion | None = None


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
    """``aliases`` are told as ``champion`` where they are the same for all artifact types of the model, and as
    ``champion:mermaid_erd`` where they are not."""

    model_config = ConfigDict(frozen=True)

    version: int
    uri: str
    sha256: str
    size_bytes: int
    aliases: tuple[str, ...] = ()
    created_at: datetime
    provenance: dict[str, Any] = {}
    name: str = Field(
        default="", description="v{n}_{timestamp}; empty for what was there before versions had names"
    )
    method: str | None = Field(default=None, description="how it was trained; None: it was not trained here")
    artifact_type: ArtifactType | None = Field(default=None, description="what it was trained for")
    base_version: int | None = None
    dataset_digest: str | None = None
    run_id: str | None = None
    served_by: str | None = None
    state: str = Field(default="", description="what became of it: candidate, canary, champion, …")
    reason: str = Field(default="", description="why it is in this state")
    origin: str = Field(
        default="", description="starter: it ships with Hone; external: as its provider serves it; run"
    )
    parameters: dict[str, Any] = {}
    figures: dict[str, Any] = {}
    proof: dict[str, Any] = {}
    code_version: str = ""
    live: dict[str, dict[str, float]] = Field(
        default={}, description="by artifact type: answers, verdicts, and their quality, from 0 to 1"
    )


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


class PlanVersion(Request):
    """Reserve the next number of the model for a run. Asked again with the same run, it is the same answer.

    A model that the registry does not keep yet is registered as it is: that is its version 1 and champion. ``model``
    is that of the type's route when None. Answered with ``training.PlannedVersion``.
    """

    subject: ClassVar[str] = subjects.rpc("registry", "plan_version")

    run_id: str
    artifact_type: ArtifactType
    model: str | None = None


class PromoteVersion(Request):
    """Make a version champion, whatever its evaluation says."""

    subject: ClassVar[str] = subjects.rpc("registry", "promote_version")

    name: str
    version: str = Field(description="its number or its name")
    artifact_type: ArtifactType | None = Field(
        default=None, description="the one it was trained for when None"
    )
    actor: str = Field(default="unknown", max_length=200)


class RollBack(Request):
    """Make the champion's predecessor champion again (or ``to``, one of the last five)."""

    subject: ClassVar[str] = subjects.rpc("registry", "roll_back")

    name: str
    to: str | None = Field(default=None, description="number or name of an earlier champion")
    artifact_type: ArtifactType | None = Field(
        default=None, description="the only one of the model when None"
    )
    reason: str = Field(default="by hand", max_length=500)
    actor: str = Field(default="unknown", max_length=200)


class AliasMoved(BaseModel):
    """What promoting or rolling back did."""

    model_config = ConfigDict(frozen=True)

    model: str
    artifact_type: ArtifactType
    champion: int
    champion_name: str
    was: int | None
    reasons: tuple[str, ...] = ()


class ListEvaluations(Request):
    subject: ClassVar[str] = subjects.rpc("registry", "list_evaluations")

    name: str
    version: str | None = None
    limit: int = Field(default=20, ge=1, le=200)


class Evaluation(BaseModel):
    """An evaluation and what was decided on it; ``figures`` are means, differences and their intervals."""

    model_config = ConfigDict(frozen=True)

    model: str
    artifact_type: ArtifactType
    champion: int
    challenger: int
    run_id: str
    verdict: str
    reasons: tuple[str, ...]
    figures: dict[str, Any]
    created_at: datetime


class Evaluations(BaseModel):
    evaluations: tuple[Evaluation, ...]


class ListAudit(Request):
    """Newest first; ``subject_prefix`` as in ``model:`` or ``route:mermaid_erd``."""

    subject: ClassVar[str] = subjects.rpc("registry", "list_audit")

    subject_prefix: str | None = None
    before: int | None = Field(default=None, description="only entries with smaller ids")
    limit: int = Field(default=50, ge=1, le=500)


class AuditEntry(BaseModel):
    model_config = ConfigDict(frozen=True)

    id: int
    occurred_at: datetime
    actor: str
    action: str
    subject: str
    detail: dict[str, Any] = {}


class AuditTrail(BaseModel):
    entries: tuple[AuditEntry, ...]


class ExportRegistry(Request):
    """All but the audit trail, as YAML for Git: models, versions with lineage, aliases, evaluations, routes."""

    subject: ClassVar[str] = subjects.rpc("registry", "export")


class RegistryText(BaseModel):
    text: str


class ImportRegistry(Request):
    """Make the registry what the text says: adds and moves, never removes versions. All of it or nothing."""

    subject: ClassVar[str] = subjects.rpc("registry", "import")

    text: str
    actor: str = Field(default="unknown", max_length=200)
    dry_run: bool = False


class RegistryImported(BaseModel):
    model_config = ConfigDict(frozen=True)

    dry_run: bool
    changes: tuple[str, ...] = Field(description="one line for each thing that was, or would be, changed")
