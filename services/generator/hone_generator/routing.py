"""Which model answers: the route of the artifact type, or the model that the request names."""

from collections.abc import Mapping, MutableMapping
from typing import Protocol

from hone_chassis import RemoteError, Running, Transient, rpc
from hone_chassis.errors import Permanent
from hone_contracts.artifacts import ArtifactType
from hone_contracts.models import InvalidModelRef, ModelRef
from hone_contracts.registry import Model, Reading, Route, ShowModel
from hone_generator.providers.base import Provider
from hone_generator.providers.llamacpp import ModelFile

_IN_PROCESS = "llamacpp"
# What a general model with the usual 4096 tokens of context reads at once, with room for its answer.
_WHOLE_UP_TO_CHARS = 6_000


class RoutingTable(Protocol):
    def resolve(self, artifact_type: ArtifactType) -> Route | None: ...


class Router:
    """Resolves routes, and tells the in-process provider where the files of their models lie."""

    def __init__(self, table: RoutingTable, files: MutableMapping[str, ModelFile]) -> None:
        self._table, self._files = table, files
        self._running: Running | None = None

    def start(self, running: Running) -> None:
        self._running = running

    async def resolve(self, artifact_type: ArtifactType, wanted: str | None, length_chars: int) -> Route:
        """Raises Transient while there is no routing table, Permanent for a model that cannot be."""
        route = self._table.resolve(artifact_type)
        if wanted is not None and (route is None or wanted != route.model):
            route = await self._route_to(artifact_type, wanted, length_chars)
        if route is None:
            raise Transient(
                "no_route",
                "No model is set for this artifact type",
                f"registry has no route for {artifact_type}: `hone routes show` lists them",
                503,
            )
        if route.model_uri is not None:
            self._files[ModelRef.parse(route.model).name] = ModelFile(route.model_uri)
        return route

    async def _route_to(self, artifact_type: ArtifactType, wanted: str, length_chars: int) -> Route:
        try:
            ref = ModelRef.parse(wanted)
        except InvalidModelRef as error:
            raise Permanent("bad_model", "Not a model reference", str(error), 422) from error
        if ref.provider == _IN_PROCESS:
            model = await self._known_model(wanted)
            trained = artifact_type in model.artifact_types
            reading: Reading = "passages" if trained else _general_reading(length_chars)
            return Route(
                artifact_type=artifact_type, model=wanted, model_uri=_champion_uri(model), reading=reading
            )
        return Route(artifact_type=artifact_type, model=wanted, reading=_general_reading(length_chars))

    async def _known_model(self, name: str) -> Model:
        assert self._running is not None
        try:
            return await rpc.ask(self._running.client, ShowModel.subject, ShowModel(name=name), Model)
        except RemoteError as error:
            body = error.body
            raise Permanent(body.code, body.title, body.detail, body.status) from error


def _general_reading(length_chars: int) -> Reading:
    return "whole" if length_chars <= _WHOLE_UP_TO_CHARS else "passages_schema"


def _champion_uri(model: Model) -> str:
    versions = sorted(model.versions, key=lambda each: ("champion" in each.aliases, each.version))
    return versions[-1].uri


def provider_of(providers: Mapping[str, Provider], model: str) -> Provider:
    """Raises Permanent when this version has no such provider."""
    name = ModelRef.parse(model).provider
    if name not in providers:
        raise Permanent(
            "no_provider",
            "This provider is not there yet",
            f"{model}: this version talks to {', '.join(sorted(providers))}",
            422,
        )
    return providers[name]
