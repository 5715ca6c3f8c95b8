"""Which route a request takes: its artifact type's, or to the model that it names and no other."""

from collections.abc import Iterable, MutableMapping
from typing import Final, Protocol

from hone_chassis import RemoteError, Running, Transient, rpc
from hone_chassis.errors import Permanent
from hone_contracts.artifacts import ArtifactType
from hone_contracts.chat import ROUTE_PREFIX
from hone_contracts.models import InvalidModelRef, ModelRef
from hone_contracts.registry import (
    DEFAULT_ROUTE,
    Model,
    Reading,
    Route,
    RouteKey,
    RouteModel,
    ServedVersion,
    ShowModel,
)
from hone_generator import canaries, versions
from hone_generator.allowed_servers import AllowedServers
from hone_generator.providers.llamacpp import ModelFile
from hone_generator.served import IN_PROCESS, as_served, provider_word, version_fields

NO_ROUTE: Final = "no_route"

_NOT_KEPT = "no_such_model"  # what the registry says
_ON_THIS_MACHINE = frozenset({IN_PROCESS, "ollama"})
# What a general model with the usual 4096 tokens of context reads at once, with room for its answer.
_WHOLE_UP_TO_CHARS = 6_000


class RoutingTable(Protocol):
    """``hone_chassis.routes_table.RoutesWatcher``."""

    def resolve(self, artifact_type: ArtifactType) -> Route | None:
        """The type's route, or the default one."""
        ...

    def resolve_default(self) -> Route | None: ...


class Router:
    """Resolves routes, and tells the in-process provider where the files of their models lie."""

    def __init__(
        self,
        table: RoutingTable,
        files: MutableMapping[str, ModelFile],
        allowed: AllowedServers = AllowedServers(),  # noqa: B008 (it is frozen)
    ) -> None:
        self._table, self._files, self._allowed = table, files, allowed
        self._served: set[str] = set()
        self._running: Running | None = None

    def start(self, running: Running) -> None:
        self._running = running

    async def resolve(
        self, artifact_type: ArtifactType, wanted: str | None, length_chars: int, job_id: str | None = None
    ) -> Route:
        """The route as the job takes it, canaries among its models as their share has it. Who names a model gets its
        champion; ``MODEL@VERSION`` names one of its versions.

        Raises Transient while there is no routing table, Permanent for a model that cannot be or a route that is
        switched off.
        """
        route = await self._ready(artifact_type, self._table.resolve(artifact_type), wanted, length_chars)
        return canaries.champions(route) if job_id is None else canaries.chosen(route, job_id)

    def alone(
        self, artifact_type: ArtifactType, model: str, reading: Reading, version: ServedVersion
    ) -> Route:
        """The type's route with this version in it and no other, whether or not requests would meet it."""
        base = self._table.resolve(artifact_type) or Route(artifact_type=artifact_type, model=model)
        route = _with_only(base, as_served(model, reading, version))
        self._learn_files(route)
        return route

    async def resolve_chat(self, model: str) -> Route:
        """Of what a chat names: ``default``, ``hone/`` and an artifact type, or a model. Raises as ``resolve``."""
        return canaries.champions(await self._chat_route(model))

    async def _chat_route(self, model: str) -> Route:
        if model == DEFAULT_ROUTE:
            return await self._ready(DEFAULT_ROUTE, self._table.resolve_default(), None, 0)
        if not model.startswith(ROUTE_PREFIX):
            return await self._ready(DEFAULT_ROUTE, self._table.resolve_default(), model, 0)
        name = model.removeprefix(ROUTE_PREFIX)
        if name not in set(ArtifactType):
            known = ", ".join(f"{ROUTE_PREFIX}{each}" for each in ArtifactType)
            detail = f"{model[:200]!r} is no route; there are {DEFAULT_ROUTE}, {known}"
            raise Permanent("model_not_found", "No such route", detail, 404)
        return await self._ready(ArtifactType(name), self._table.resolve(ArtifactType(name)), None, 0)

    def routes(self) -> list[Route]:
        """Every route there is, the default one first. What asks the providers which models they have hears of
        those, too, that nobody asked yet."""
        found = [self._table.resolve_default(), *(self._table.resolve(each) for each in ArtifactType)]
        there = [route for route in found if route is not None]
        for route in there:
            self._learn_files(route)
        return there

    def served(self) -> frozenset[str]:
        """The names that providers know versions by: the model's own name leads to the right one of them."""
        return frozenset(self._served)

    async def _ready(
        self, artifact_type: RouteKey, route: Route | None, wanted: str | None, length_chars: int
    ) -> Route:
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
                NO_ROUTE,
                "No model is set for this",
                f"there is no route for {artifact_type} and no default one: set one with `hone routes apply "
                "FILE.yaml`, or `ollama pull qwen2.5-coder:7b` and name it: `--model ollama:qwen2.5-coder:7b`",
                503,
            )
        self._learn_files(route)
        return route

    def _learn_files(self, route: Route) -> None:
        for each in route.local_models:
            self._learn_file(each)
            if each.canary is not None:
                self._learn_file(as_served(each.model, each.reading, each.canary))

    def _learn_file(self, each: RouteModel) -> None:
        asked = each.served_by or each.model
        if asked != each.model:
            self._served.add(asked)
        if each.model_uri is not None and provider_word(asked) == IN_PROCESS:
            self._files[ModelRef.parse(asked).name] = ModelFile(each.model_uri)

    async def _alone(
        self, artifact_type: RouteKey, route: Route | None, wanted: str, length_chars: int
    ) -> Route:
        """The type's route with one model in it: its threshold, limits and rules hold for any."""
        try:
            ref = ModelRef.parse(wanted)
        except InvalidModelRef as error:
            raise Permanent("bad_model", "Not a model reference", str(error), 422) from error
        if ref.base_url is not None:
            self._allowed.check(ref, self.routes())
        listed = route.local_models if route is not None else ()
        model = next((each for each in listed if each.model == wanted), None)
        if model is None:
            model = await self._version(artifact_type, listed, wanted, length_chars)
        if model is None:
            model = await self._described(artifact_type, ref, length_chars)
        base = route or Route(artifact_type=artifact_type, model=wanted)
        return _with_only(base, model)

    async def _version(
        self, artifact_type: RouteKey, listed: Iterable[RouteModel], wanted: str, length_chars: int
    ) -> RouteModel | None:
        """Of ``MODEL@VERSION``. None where no version is named, or none of a model that the registry keeps: then the
        whole of it may be a model's name."""
        parts = versions.parted(wanted)
        if parts is None:
            return None
        name, version = parts
        try:
            known = await self._known_model(name)
        except Permanent as error:
            if error.code == _NOT_KEPT and provider_word(name) != IN_PROCESS:
                return None
            raise
        served = versions.version_named(known, version, listed)
        own = next((each for each in listed if each.model == name), None)
        own = own or await self._described(artifact_type, ModelRef.parse(name), length_chars)
        return as_served(name, own.reading, served)

    async def _described(self, artifact_type: RouteKey, ref: ModelRef, length_chars: int) -> RouteModel:
        if ref.provider == IN_PROCESS:
            model = await self._known_model(str(ref))
            # Hone's own models know their own form alone; whether that makes the type, the type says.
            reading: Reading = "passages" if model.artifact_types else _general_reading(length_chars)
            champion = versions.served_version(versions.champion_of(model, artifact_type))
            return RouteModel(model=str(ref), reading=reading, **version_fields(champion))
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


def _with_only(route: Route, model: RouteModel) -> Route:
    only = {**dict(model), "canary": None, "fallbacks": (), "cloud_models": ()}
    return route.model_copy(update=only)
