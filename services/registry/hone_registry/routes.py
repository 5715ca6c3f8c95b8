"""Which models answer for which artifact type, each resolved to the version that its champion alias names."""

from collections.abc import Iterable, Mapping
from typing import Any

from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from hone_contracts.artifacts import ArtifactType
from hone_contracts.registry import DEFAULT_ROUTE, Route, RouteModel, Routes
from hone_registry.tables import CHAMPION, AliasRow, ModelRow, RouteRow, SetBy, VersionRow

_KEYS = (DEFAULT_ROUTE, *(each.value for each in ArtifactType))
_RESOLVED = frozenset({"model_uri", "model_sha256", "version"})
_Champions = Mapping[str, Mapping[str, VersionRow]]
"""By the model's name and the artifact type."""


async def resolved(session: AsyncSession, tenant: str) -> dict[str, Route]:
    """The routing table, by artifact type and ``default``."""
    return await resolve(session, tenant, [_route(row) for row in await rows(session, tenant)])


async def shown(session: AsyncSession, tenant: str) -> Routes:
    """The routing table, and whose each route is."""
    found = await rows(session, tenant)
    return Routes(
        routes=await resolve(session, tenant, [_route(row) for row in found]),
        set_by={row.artifact_type: row.set_by for row in found},
    )


async def rows(session: AsyncSession, tenant: str) -> list[RouteRow]:
    """``default`` first, then in the order of the artifact types. Types of a newer version are not ours to show."""
    found = (await session.exec(select(RouteRow).where(RouteRow.tenant == tenant))).all()
    by_key = {row.artifact_type: row for row in found}
    return [by_key[key] for key in _KEYS if key in by_key]


async def resolve(session: AsyncSession, tenant: str, unresolved: Iterable[Route]) -> dict[str, Route]:
    """The routes with the place and version of each model that is registered; of others there is none to tell."""
    routes = list(unresolved)
    names = {model.model for route in routes for model in route.local_models}
    champions = await _champions(session, tenant, names)
    return {str(route.artifact_type): _with_versions(route, champions) for route in routes}


async def _champions(session: AsyncSession, tenant: str, names: Iterable[str]) -> _Champions:
    query = (
        select(ModelRow.name, AliasRow.artifact_type, VersionRow)
        .join(AliasRow, col(AliasRow.model_id) == col(ModelRow.id))
        .join(
            VersionRow,
            (col(VersionRow.model_id) == col(AliasRow.model_id))
            & (col(VersionRow.version) == col(AliasRow.version)),
        )
        .where(ModelRow.tenant == tenant, col(ModelRow.name).in_(names), AliasRow.alias == CHAMPION)
        .order_by(col(AliasRow.moved_at).desc(), col(AliasRow.artifact_type))
    )
    found: dict[str, dict[str, VersionRow]] = {}
    for name, artifact_type, version in (await session.exec(query)).all():
        found.setdefault(name, {})[artifact_type] = version
    return found


def _with_versions(route: Route, champions: _Champions) -> Route:
    def known(model: RouteModel) -> dict[str, Any]:
        by_type = champions.get(model.model, {})
        # A model that is champion of another type does this one by the same skill: the newest of those.
        version = by_type.get(route.artifact_type) or next(iter(by_type.values()), None)
        if version is None:
            return {}
        return {"model_uri": version.uri, "model_sha256": version.sha256, "version": version.version}

    fallbacks = tuple(each.model_copy(update=known(each)) for each in route.fallbacks)
    return route.model_copy(update={"fallbacks": fallbacks, **known(route)})


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
