"""Which route a request takes: its artifact type's, or to the model that it names and no other."""

from collections.abc import MutableMapping
from typing import Protocol

from hone_chassis import RemoteError, Running, Transient, rpc
from hone_chassis.errors import Permanent
from hone_contracts.models import InvalidModelRef, ModelRef
from hone_contracts.registry import Model, Reading, Route, RouteKey, RouteModel, ShowModel
from hone_generator.providers.llamacpp import ModelFile

_IN_PROCESS = "llamacpp"
_ON_THIS_MACHINE = frozenset({_IN_PROCESS, "ollama"})
# What a general model with the usual 4096 tokens of context reads at once, with room for its answer.
_WHOLE_UP_TO_CHARS = 6_000


class RoutingTable(Protocol):
    def resolve(self, artifact_type: RouteKey) -> Route | None: ...


class Router:
    """Resolves routes, and tells the in-process provider where the files of their models lie."""

    def __init__(self, table: RoutingTable, files: MutableMapping[str, ModelFile]) -> None:
        self._table, self._files = table, files
        self._running: Running | None = None

    def start(self, running: Running) -> None:
        self._running = running

    async def resolve(self, artifact_type: RouteKey, wanted: str | None, length_chars: int) -> Route:
        """Raises Transient while there is no routing table, Permanent for a model that cannot be or a route that is
        switched off."""
        route = self._table.resolve(artifact_type)
        if route is not None and not route.enabled:
            raise Permanent(
                "route_disabled",
                "This artifact type is switched off",
                f"the route of {artifact_type} has `enabled: false`; `hone routes apply FILE.yaml` with "
                "`enabled: true` switches it on",
                403,
            )
        if wanted is not None:
            route = await self._alone(artifact_type, route, wanted, length_chars)
        if route is None:
            raise Transient(
                "no_route",
                "No model is set for this artifact type",
                f"registry has no route for {artifact_type}: `hone routes show` lists them",
                503,
            )
        self._learn_files(route)
        return route

    def _learn_files(self, route: Route) -> None:
        for each in route.local_models:
            if each.model_uri is not None:
                self._files[ModelRef.parse(each.model).name] = ModelFile(each.model_uri)

    async def _alone(
        self, artifact_type: RouteKey, route: Route | None, wanted: str, length_chars: int
    ) -> Route:
        """The type's route with one model in it: its threshold, limits and rules hold for any."""
        try:
            ref = ModelRef.parse(wanted)
        except InvalidModelRef as error:
            raise Permanent("bad_model", "Not a model reference", str(error), 422) from error
        listed = route.local_models if route is not None else ()
        model = next((each for each in listed if each.model == wanted), None)
        if model is None:
            model = await self._described(ref, length_chars)
        base = route or Route(artifact_type=artifact_type, model=wanted)
        return base.model_copy(update={**dict(model), "fallbacks": (), "cloud_models": ()})

    async def _described(self, ref: ModelRef, length_chars: int) -> RouteModel:
        if ref.provider == _IN_PROCESS:
            model = await self._known_model(str(ref))
            # Hone's own models know their own form alone; whether that makes the type, the type says.
            reading: Reading = "passages" if model.artifact_types else _general_reading(length_chars)
            return RouteModel(model=str(ref), model_uri=_champion_uri(model), reading=reading)
        if ref.provider in _ON_THIS_MACHINE:
            return RouteModel(model=str(ref), reading=_general_reading(length_chars))
        return RouteModel(model=str(ref))

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
