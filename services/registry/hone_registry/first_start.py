"""What the registry sees to at every start: the shipped model is registered, and the default routes are there.

It is done in one transaction, one replica after the other, and finds nothing to do the second time.
"""

from sqlmodel.ext.asyncio.session import AsyncSession

from hone_chassis import announce
from hone_chassis.database import Database
from hone_chassis.tables import utc_now
from hone_contracts.ids import new_id
from hone_contracts.messages import DEFAULT_TENANT
from hone_contracts.registry import DEFAULT_ROUTE, Route, RouteChanged
from hone_registry import audit, models, routes, starter
from hone_registry.starter import ShippedModel
from hone_registry.tables import CHAMPION, DEFAULT, STARTER, AliasRow, ModelRow, RouteRow, VersionRow
from hone_registry.turns import one_at_a_time


async def bring_up_to_date(database: Database, shipped: ShippedModel | None) -> None:
    """Register ``shipped``, write Hone's own routes, and announce each route that this changed."""
    async with database.write() as session:
        await one_at_a_time(session, database)
        before = await routes.resolved(session, DEFAULT_TENANT)
        if shipped is not None:
            await _register(session, shipped)
            await _own_routes(session)
        after = await routes.resolved(session, DEFAULT_TENANT)
        announce(session, *(_changed(route) for key, route in after.items() if before.get(key) != route))


async def _register(session: AsyncSession, shipped: ShippedModel) -> None:
    model_id = await _model(session)
    versions = await models.versions_of(session, [model_id])
    version = next((each for each in versions if each.sha256 == shipped.sha256), None)
    if version is None:
        number = max((each.version for each in versions), default=0) + 1
        version = VersionRow(
            model_id=model_id,
            version=number,
            uri=shipped.uri,
            sha256=shipped.sha256,
            size_bytes=shipped.size_bytes,
            origin=STARTER,
            provenance=shipped.provenance,
        )
        session.add(version)
        await session.flush()
        audit.record(session, audit.STARTING, "registered", _subject(version), sha256=shipped.sha256)
    elif version.uri != shipped.uri:
        audit.record(
            session, audit.STARTING, "moved file", _subject(version), was=version.uri, now=shipped.uri
        )
        version.uri = shipped.uri
    await _champion(session, version)


async def _model(session: AsyncSession) -> int:
    row = await models.named(session, DEFAULT_TENANT, starter.NAME)
    if row is None:
        row = ModelRow(name=starter.NAME, description=starter.DESCRIPTION)
        session.add(row)
        await session.flush()
    assert row.id is not None
    return row.id


async def _champion(session: AsyncSession, version: VersionRow) -> None:
    """The shipped file is champion until a version of another origin was promoted over it."""
    alias = await session.get(AliasRow, (version.model_id, starter.TRAINED_FOR.value, CHAMPION))
    if alias is None:
        alias = AliasRow(
            model_id=version.model_id,
            artifact_type=starter.TRAINED_FOR.value,
            alias=CHAMPION,
            version=version.version,
        )
        session.add(alias)
        audit.record(session, audit.STARTING, "promoted", _subject(version), alias=CHAMPION, was=None)
        return
    current = await session.get_one(VersionRow, (version.model_id, alias.version))
    if current.origin == STARTER and current.version != version.version:
        audit.record(
            session, audit.STARTING, "promoted", _subject(version), alias=CHAMPION, was=alias.version
        )
        alias.version, alias.moved_at = version.version, utc_now()


async def _own_routes(session: AsyncSession) -> None:
    """Write them, or bring older ones up to date. What a user set stays, and a user's ``default`` speaks for all."""
    there = {row.artifact_type: row for row in await routes.rows(session, DEFAULT_TENANT)}
    for artifact_type, model in starter.ROUTES.items():
        row = there.get(artifact_type)
        if row is None and DEFAULT_ROUTE in there:
            continue
        own = Route(artifact_type=artifact_type, **model.model_dump())
        wanted = routes.row_of(DEFAULT_TENANT, own, DEFAULT)
        if row is None or (row.set_by == DEFAULT and row.settings != wanted.settings):
            await _write(session, row, wanted)


async def _write(session: AsyncSession, row: RouteRow | None, wanted: RouteRow) -> None:
    audit.record(
        session,
        audit.STARTING,
        "routed",
        f"route:{wanted.artifact_type}",
        was=routes.content_of(row),
        now=routes.content_of(wanted),
    )
    await session.merge(wanted)


def _subject(version: VersionRow) -> str:
    return f"model:{starter.NAME}@{version.version}"


def _changed(route: Route) -> RouteChanged:
    # A job of its own: nobody asked for it.
    return RouteChanged(correlation_id=new_id("job"), route=route)
