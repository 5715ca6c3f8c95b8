"""Who is asked, in which order: the route's own model, its fallbacks, then the cloud's models if it may be used.

A model that may not be asked, or cannot be, stands in the plan with the reason, so that the attempts tell about it.
What a text says never reaches this: the plan follows from route, providers and artifact type alone.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

from hone_contracts.models import InvalidModelRef, ModelRef
from hone_contracts.registry import DEFAULT_ROUTE, PromptVersion, Reading, Route, RouteModel
from hone_generator.providers.base import Provider
from hone_generator.providers.configured import provider_of
from hone_generator.providers.errors import ProviderError

_ADVICE = (
    "use a larger model: install Ollama, run `ollama pull qwen2.5-coder:7b`, then ask for "
    "ollama:qwen2.5-coder:7b or name it in the route (`hone routes apply FILE.yaml`)"
)


@dataclass(frozen=True, slots=True)
class Candidate:
    """A model that may be asked, and how it reads the requirements.

    ``version`` is told of models that the registry keeps. Its provider knows it as ``served`` where that is not the
    model itself. ``prompt`` are the examples that belong to it; where the provider's own version holds them, ``base``
    is asked when they do not belong before a question.
    """

    ref: ModelRef
    provider: Provider
    reading: Reading = "whole"
    version: int | None = None
    served: ModelRef | None = None
    prompt: PromptVersion | None = None
    base: "Candidate | None" = None

    @property
    def model(self) -> str:
        return str(self.ref)

    @property
    def asked(self) -> ModelRef:
        return self.served or self.ref

    @property
    def plain(self) -> "Candidate":
        """The same without examples."""
        return self if self.prompt is None else self.base or replace(self, prompt=None)

    def shorter(self, readings: frozenset[Reading]) -> "Candidate | None":
        """The same with less to read at once: without examples, then passage by passage where the type can be made
        so."""
        if self.prompt is not None:
            return self.plain
        if self.reading == "whole" and "passages_schema" in readings:
            return replace(self, reading="passages_schema")
        return None


@dataclass(frozen=True, slots=True)
class Barred:
    """A model of the route that is not asked. ``code`` is for programs, ``reason`` says what to do."""

    model: str
    code: str
    reason: str
    version: int | None = None


Step = Candidate | Barred


def order(
    route: Route, providers: Mapping[str, Provider], readings: frozenset[Reading] = frozenset({"whole"})
) -> tuple[Step, ...]:
    """All models of the route, each once, and each of their versions that the route names. ``readings`` are those
    that the artifact type can be made by."""
    first: dict[tuple[str, int], RouteModel] = {}
    for each in _named(route):
        first.setdefault((each.model, each.version), each)
    return tuple(_step(each, route, providers, readings) for each in first.values())


def _named(route: Route) -> Iterator[RouteModel]:
    local = route.local_models
    yield from local
    if route.cloud:
        already = {each.model for each in local}
        yield from (RouteModel(model=model) for model in route.cloud_models if model not in already)


def _step(
    named: RouteModel, route: Route, providers: Mapping[str, Provider], readings: frozenset[Reading]
) -> Step:
    """With the examples of the version, if they are turns of the reading that the model is asked in."""
    step, prompt = _without_examples(named, route, providers, readings), named.prompt
    if prompt is None or isinstance(step, Barred):
        return step
    if not prompt.baked:
        return replace(step, prompt=prompt) if prompt.reading == step.reading else step
    itself = named.model_copy(update={"served_by": None})
    base = _without_examples(itself, route, providers, readings)
    if isinstance(base, Barred) or prompt.reading != base.reading:
        return base
    return replace(step, prompt=prompt, base=base)


def _without_examples(
    named: RouteModel, route: Route, providers: Mapping[str, Provider], readings: frozenset[Reading]
) -> Step:
    version = version_of(named)
    try:
        ref = ModelRef.parse(named.model)
        served = None if named.served_by is None else ModelRef.parse(named.served_by)
        provider = provider_of(providers, served or ref)
    except InvalidModelRef as error:
        return Barred(named.model, "bad_model", str(error), version)
    except ProviderError as error:
        return Barred(named.model, error.code, str(error), version)
    if provider is None:
        known, name = ", ".join(sorted(providers)), (served or ref).provider
        reason = f"there is no provider {name}: there are {known}"
        return Barred(named.model, "no_provider", reason, version)
    if not provider.local and not route.cloud:
        return Barred(
            named.model,
            "cloud_not_allowed",
            f"{named.model} is not on the team's machines, and the route of {route.artifact_type} keeps the text "
            "there; set `cloud: true` in the route (`hone routes apply FILE.yaml`) to allow it",
            version,
        )
    reading = _reading(named.reading, readings)
    if reading is None:
        return Barred(named.model, "reading_not_possible", _cannot_read(named, route), version)
    return Candidate(ref, provider, reading, version, served)


def version_of(named: RouteModel) -> int | None:
    """The version's number, of a model that the registry keeps: the others are all at their first."""
    kept = named.version > 1 or named.model_sha256 or named.served_by or named.prompt
    return named.version if kept else None


def _reading(wanted: Reading, readings: frozenset[Reading]) -> Reading | None:
    """A general model reads at once or passage by passage, as the type can be made; Hone's own only in their form."""
    if wanted in readings:
        return wanted
    general: tuple[Reading, ...] = () if wanted == "passages" else ("whole", "passages_schema")
    return next((each for each in general if each in readings), None)


def _cannot_read(named: RouteModel, route: Route) -> str:
    wanted = "chat" if route.artifact_type == DEFAULT_ROUTE else f"make {route.artifact_type}"
    return f"{named.model} was trained for one form of answer and cannot {wanted}; {_ADVICE}"
