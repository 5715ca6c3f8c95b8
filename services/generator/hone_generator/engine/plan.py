"""Who is asked, in which order: the route's own model, its fallbacks, then the cloud's models if it may be used.

A model that may not be asked, or cannot be, stands in the plan with the reason, so that the attempts tell about it.
What a text says never reaches this: the plan follows from route, providers and artifact type alone.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from hone_contracts.models import InvalidModelRef, ModelRef
from hone_contracts.registry import DEFAULT_ROUTE, Reading, Route, RouteModel
from hone_generator.providers.base import Provider
from hone_generator.providers.configured import provider_of
from hone_generator.providers.errors import ProviderError

_ADVICE = (
    "use a larger model: install Ollama, run `ollama pull qwen2.5-coder:7b`, then ask for "
    "ollama:qwen2.5-coder:7b or name it in the route (`hone routes apply FILE.yaml`)"
)


@dataclass(frozen=True, slots=True)
class Candidate:
    """A model that may be asked, and how it reads the requirements."""

    ref: ModelRef
    provider: Provider
    reading: Reading = "whole"

    @property
    def model(self) -> str:
        return str(self.ref)


@dataclass(frozen=True, slots=True)
class Barred:
    """A model of the route that is not asked. ``code`` is for programs, ``reason`` says what to do."""

    model: str
    code: str
    reason: str


Step = Candidate | Barred


def order(
    route: Route, providers: Mapping[str, Provider], readings: frozenset[Reading] = frozenset({"whole"})
) -> tuple[Step, ...]:
    """All models of the route, each once. ``readings`` are those that the artifact type can be made by."""
    named = [*route.local_models]
    if route.cloud:
        named += [RouteModel(model=model) for model in route.cloud_models]
    first: dict[str, RouteModel] = {}
    for each in named:
        first.setdefault(each.model, each)
    return tuple(_step(each, route, providers, readings) for each in first.values())


def _step(
    named: RouteModel, route: Route, providers: Mapping[str, Provider], readings: frozenset[Reading]
) -> Step:
    try:
        ref = ModelRef.parse(named.model)
        provider = provider_of(providers, ref)
    except InvalidModelRef as error:
        return Barred(named.model, "bad_model", str(error))
    except ProviderError as error:
        return Barred(named.model, error.code, str(error))
    if provider is None:
        known = ", ".join(sorted(providers))
        return Barred(named.model, "no_provider", f"there is no provider {ref.provider}: there are {known}")
    if not provider.local and not route.cloud:
        return Barred(
            named.model,
            "cloud_not_allowed",
            f"{named.model} is not on the team's machines, and the route of {route.artifact_type} keeps the text "
            "there; set `cloud: true` in the route (`hone routes apply FILE.yaml`) to allow it",
        )
    reading = _reading(named.reading, readings)
    if reading is None:
        return Barred(named.model, "reading_not_possible", _cannot_read(named, route))
    return Candidate(ref, provider, reading)


def _reading(wanted: Reading, readings: frozenset[Reading]) -> Reading | None:
    """A general model reads at once or passage by passage, as the type can be made; Hone's own only in their form."""
    if wanted in readings:
        return wanted
    general: tuple[Reading, ...] = () if wanted == "passages" else ("whole", "passages_schema")
    return next((each for each in general if each in readings), None)


def _cannot_read(named: RouteModel, route: Route) -> str:
    wanted = "chat" if route.artifact_type == DEFAULT_ROUTE else f"make {route.artifact_type}"
    return f"{named.model} was trained for one form of answer and cannot {wanted}; {_ADVICE}"
