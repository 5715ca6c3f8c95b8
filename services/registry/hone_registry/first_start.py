"""What the registry sees to at every start: the shipped model is registered, and the default routes are there.

It is done in one transaction, one replica after the other, and finds nothing to do the second time.
"""

from sqlmodel.ext.asyncio.session import AsyncSession

from hone_chassis.database import Database
from hone_contracts.messages import DEFAULT_TENANT
from hone_contracts.registry import DEFAULT_ROUTE, Route
from hone_registry import audit, models, routes, starter, versions
from hone_registry.route_changes import route_changes
from hone_registry.seats import Seats
from hone_registry.starter import ShippedModel
from hone_registry.tables import CHAMPION, DEFAULT, STARTER, ModelRow, RouteRow, VersionRow
from hone_registry.turns import one_at_a_time


async def bring_up_to_date(database: Database, shipped: ShippedModel | None) -> None:
    """Register ``shipped``, write Hone's own routes, and announce each route that this changed."""
    async with database.write() as session:
        await one_at_a_time(session, database)
        if shipped is not None:
            async with route_changes(session, DEFAULT_TENANT):
                await _register(session, shipped)
                await _own_routes(session)


async def _register(session: AsyncSession, shipped: ShippedModel) -> None:
    model = await _model(session)
    seats = Seats(session, model, starter.TRAINED_FOR.value, audit.STARTING)
    there = await models.versions_of(session, [seats.model_id])
    version = next((each for each in there if each.origin == STARTER and each.sha256 == shipped.sha256), None)
    if version is None:
        number = await versions.next_number(session, seats.model_id)
        version = VersionRow(
            model_id=seats.model_id,
            version=number,
            name=versions.name_of(number),
            reason="it ships with Hone",
            reading=model.reading,
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
    await _champion(seats, version)


async def _model(session: AsyncSession) -> ModelRow:
    row = await models.named(session, DEFAULT_TENANT, starter.NAME)
    if row is None:
        row = ModelRow(name=starter.NAME, description=starter.DESCRIPTION, reading="passages")
        session.add(row)
        await session.flush()
    return row


async def _champion(seats: Seats, version: VersionRow) -> None:
    """The shipped file is champion until a version of another origin was promoted over it."""
    champion = await seats.holder(CHAMPION)
    if champion is None or (champion.origin == STARTER and champion.version != version.version):
        await seats.crown(version, "it ships with Hone")


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
