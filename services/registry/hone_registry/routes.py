"""Which models answer for which artifact type, each resolved to the version that its aliases name."""

from collections.abc import Iterable, Mapping
from typing import Any

from sqlmodel import select
from sqlmodel.ext.asyncio.session import AsyncSession

from hone_contracts.artifacts import ArtifactType
from hone_contracts.registry import (
    DEFAULT_ROUTE,
    CanaryVersion,
    Route,
    RouteModel,
    Routes,
    ServedVersion,
)
from hone_registry.standings import Standing, as_canary, served, standings
from hone_registry.tables import RouteRow, SetBy

_KEYS = (DEFAULT_ROUTE, *(each.value for each in ArtifactType))
_RESOLVED = frozenset(ServedVersion.model_fields) | {"canary"}


async def resolved(session: AsyncSession, tenant: str) -> dict[str, Route]:
    """The routing table, by artifact type and ``default``, as the generators follow it."""
    return await resolve(session, tenant, [_route(row) for row in await rows(session, tenant)])


async def shown(session: AsyncSession, tenant: str) -> Routes:
    """The routing table for people, and whose each route is."""
    found = await rows(session, tenant)
    table = await resolve(session, tenant, [_route(row) for row in found])
    return Routes(
        routes={key: without_turns(route) for key, route in table.items()},
        set_by={row.artifact_type: row.set_by for row in found},
    )


async def rows(session: AsyncSession, tenant: str) -> list[RouteRow]:
    """``default`` first, then in the order of the artifact types. Types of a newer version are not ours to show."""
    found = (await session.exec(select(RouteRow).where(RouteRow.tenant == tenant))).all()
    by_key = {row.artifact_type: row for row in found}
    return [by_key[key] for key in _KEYS if key in by_key]


async def resolve(session: AsyncSession, tenant: str, unresolved: Iterable[Route]) -> dict[str, Route]:
    """The routes with the place and version of each model that is registered; of others there is none to tell.

    A type that goes by ``default`` gets a route of its own while a version of the default's models is this type's.
    """
    routes = {str(route.artifact_type): route for route in unresolved}
    names = {model.model for route in routes.values() for model in route.local_models}
    known = await standings(session, tenant, names)
    table = {key: _with_versions(route, known) for key, route in routes.items()}
    default = routes.get(DEFAULT_ROUTE)
    if default is not None:
        for artifact_type in ArtifactType:
            if artifact_type.value not in routes:
                own = _with_versions(default.model_copy(update={"artifact_type": artifact_type}), known)
                if own.local_models != table[DEFAULT_ROUTE].local_models:
                    table[artifact_type.value] = own
    return table


def _with_versions(route: Route, known: Mapping[str, Standing]) -> Route:
    fallbacks = tuple(
        each.model_copy(update=_version(each, route.artifact_type, known)) for each in route.fallbacks
    )
    return route.model_copy(update={"fallbacks": fallbacks, **_version(route, route.artifact_type, known)})


def _version(model: RouteModel, artifact_type: str, known: Mapping[str, Standing]) -> dict[str, Any]:
    standing = known.get(model.model)
    champion = None if standing is None else standing.champion(artifact_type, model.reading)
    if standing is None or champion is None:
        return {}
    canary = standing.canaries.get(artifact_type)
    return {**dict(served(champion)), "canary": None if canary is None else as_canary(*canary)}


def without_turns(route: Route) -> Route:
    """For people and for messages that carry the whole table: examples of each version would not fit."""

    def bare(model: RouteModel) -> dict[str, Any]:
        canary = model.canary
        return {
            "prompt": _bare_prompt(model),
            "canary": canary and canary.model_copy(update={"prompt": _bare_prompt(canary)}),
        }

    fallbacks = tuple(each.model_copy(update=bare(each)) for each in route.fallbacks)
    return route.model_copy(update={"fallbacks": fallbacks, **bare(route)})


def _bare_prompt(version: RouteModel | CanaryVersion) -> Any:
    return version.prompt and version.prompt.model_copy(update={"system": "", "turns": ()})


def place(key: str) -> int:
    """Where a route stands in the table."""
    return _KEYS.index(key)


def row_of(tenant: str, route: Route, set_by: SetBy) -> RouteRow:
    return RouteRow(
        tenant=tenant, artifact_type=str(route.artifact_type), settings=settings_of(route), set_by=set_by
    )


def settings_of(route: Route) -> dict[str, Any]:
    """What was set of a route, without what it resolves to: that is for the aliases to say."""
    exclude: Any = dict.fromkeys(_RESOLVED, True) | {"fallbacks": {"__all__": set(_RESOLVED)}}
    return route.model_dump(mode="json", exclude=exclude)


def content_of(row: RouteRow | None) -> dict[str, Any] | None:
    """What the audit trail tells of a route."""
    return None if row is None else {**row.settings, "set_by": row.set_by}


def _route(row: RouteRow) -> Route:
    return Route.model_validate(row.settings)
