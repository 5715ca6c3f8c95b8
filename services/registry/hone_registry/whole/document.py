"""What stands in the text, and what must be true of it. Everything but the audit trail and the figures of versions at
work. What is as it is by default is left out."""

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from hone_contracts.artifacts import ArtifactType
from hone_contracts.evaluation import Verdict
from hone_contracts.messages import JobId
from hone_contracts.models import ModelRef
from hone_contracts.registry import PromptVersion, Reading, Route, RouteKey
from hone_contracts.training import DatasetSummary, Method
from hone_registry.tables import Alias, Origin, SetBy, State


def _reference(name: str) -> str:
    return str(ModelRef.parse(name))


def _utc(at: datetime) -> datetime:
    return at.replace(tzinfo=UTC) if at.tzinfo is None else at.astimezone(UTC)


Reference = Annotated[str, AfterValidator(_reference)]
Time = Annotated[datetime, AfterValidator(_utc)]
Number = Annotated[int, Field(ge=1, le=2**31 - 1)]
Text = Annotated[str, Field(max_length=100_000)]
Told = dict[str, Any]


class Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class VersionPart(Part):
    version: Number
    name: Text = ""
    state: State
    reason: Text = ""
    origin: Origin
    reading: Reading = "whole"
    uri: Text = ""
    sha256: Text = ""
    size_bytes: int = Field(default=0, ge=0, lt=2**63)
    served_by: Text | None = None
    method: Method | None = None
    artifact_type: ArtifactType | None = None
    base_version: Number | None = None
    run_id: JobId | None = None
    dataset_digest: Text | None = None
    dataset: DatasetSummary | None = None
    parameters: Told = {}
    figures: Told = {}
    proof: Told = {}
    code_version: Text = ""
    provenance: Told = {}
    evaluations_asked: int = Field(default=0, ge=0, lt=2**31)
    created_at: Time
    prompt: PromptVersion | None = None


class AliasPart(Part):
    artifact_type: ArtifactType
    alias: Alias
    version: Number
    share: float | None = Field(default=None, gt=0, le=1)
    moved_at: Time


class ReignPart(Part):
    artifact_type: ArtifactType
    version: Number
    began_at: Time
    why: Text = ""
    ended_at: Time | None = None
    why_ended: Text = ""


class EvaluationPart(Part):
    """Without the figures of each prompt: these are for looking, not for history."""

    artifact_type: ArtifactType
    champion: Number
    challenger: Number
    run_id: Text
    verdict: Verdict
    reasons: list[Text] = []
    figures: Told = {}
    created_at: Time


class ModelPart(Part):
    name: Reference
    description: Text = ""
    reading: Reading = "whole"
    created_at: Time
    released_at: Time | None = None
    versions: list[VersionPart] = []
    aliases: list[AliasPart] = []
    champions: list[ReignPart] = []
    evaluations: list[EvaluationPart] = []


class RoutePart(Part):
    artifact_type: RouteKey
    set_by: SetBy
    settings: Route


class Document(Part):
    registry: Literal[1] = 1
    models: list[ModelPart] = []
    routes: list[RoutePart] = []


Fault = tuple[str, str]
"""Where, and what is wrong there."""


def faults_of(document: Document) -> Iterator[Fault]:
    """What no single value tells."""
    yield from _twice("models", [each.name for each in document.models])
    yield from _twice("routes", [each.artifact_type for each in document.routes])
    runs = [each.run_id for model in document.models for each in model.versions if each.run_id]
    yield from _twice("models.*.versions.*.run_id", runs)
    for place, model in enumerate(document.models):
        for where, reason in _faults_of_model(model):
            yield f"models.{place}.{where}", reason
    for place, route in enumerate(document.routes):
        if route.settings.artifact_type != route.artifact_type:
            yield f"routes.{place}.settings.artifact_type", f"is not {route.artifact_type}"


def _faults_of_model(model: ModelPart) -> Iterator[Fault]:
    there = {each.version for each in model.versions}
    yield from _twice("versions", [str(each.version) for each in model.versions])
    yield from _twice("aliases", [f"{each.alias} of {each.artifact_type}" for each in model.aliases])
    reigning = [each for each in model.champions if each.ended_at is None]
    yield from _twice("champions", [f"one of {each.artifact_type} that reigns" for each in reigning])
    named = [
        *((f"versions.{place}.base_version", each.base_version) for place, each in enumerate(model.versions)),
        *((f"aliases.{place}.version", each.version) for place, each in enumerate(model.aliases)),
        *((f"champions.{place}.version", each.version) for place, each in enumerate(model.champions)),
        *((f"evaluations.{place}.champion", each.champion) for place, each in enumerate(model.evaluations)),
        *(
            (f"evaluations.{place}.challenger", each.challenger)
            for place, each in enumerate(model.evaluations)
        ),
    ]
    yield from (
        (where, f"there is no version {number}") for where, number in named if number and number not in there
    )
    champions = {(each.artifact_type, each.version) for each in model.aliases if each.alias == "champion"}
    if champions != {(each.artifact_type, each.version) for each in reigning}:
        yield "champions", "those that reign are not those that the aliases name"
    yield from _faults_of_states(model)


def _faults_of_states(model: ModelPart) -> Iterator[Fault]:
    for place, alias in enumerate(model.aliases):
        if (alias.share is None) == (alias.alias == "canary"):
            yield f"aliases.{place}.share", "a canary has a share of requests, and no other alias has"
    for state in ("champion", "canary"):
        seated = {each.version for each in model.aliases if each.alias == state}
        for place, version in enumerate(model.versions):
            if (version.state == state) != (version.version in seated):
                yield f"versions.{place}.state", f"{version.state} is not what the {state} aliases say"


def _twice(where: str, values: list[str]) -> Iterator[Fault]:
    seen: set[str] = set()
    for value in values:
        if value in seen:
            yield where, f"{value} stands here twice"
        seen.add(value)
