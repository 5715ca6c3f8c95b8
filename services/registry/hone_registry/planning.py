"""Reserving a version's number for a run, and giving it up when the run makes nothing of it."""

from collections.abc import Iterable

from sqlmodel import select
from sqlmodel.ext.asyncio.session import AsyncSession

from hone_chassis.database import Database
from hone_chassis.tables import utc_now
from hone_contracts.artifacts import ArtifactType
from hone_contracts.deployment import DeploymentFailed
from hone_contracts.job_messages import JobCancelled
from hone_contracts.messages import Message
from hone_contracts.models import InvalidModelRef, ModelRef
from hone_contracts.registry import DEFAULT_ROUTE, PlanVersion, RouteModel
from hone_contracts.training import PlannedVersion, TrainingFailed
from hone_registry import audit, models, routes, versions
from hone_registry.errors import NoRoute, NotAModel, NoWeights, Removed
from hone_registry.route_changes import Wake, route_changes
from hone_registry.seats import Seats
from hone_registry.standings import as_reading, served
from hone_registry.tables import EXTERNAL, RUN, ModelRow, VersionRow
from hone_registry.turns import one_at_a_time

ACTOR = "hone-trainer"


class Planning:
    """Answers PlanVersion."""

    def __init__(self, database: Database, wake: Wake) -> None:
        self._database, self._wake = database, wake

    async def plan(self, question: PlanVersion) -> PlannedVersion:
        """Raises NoRoute, NotAModel, NoWeights, Removed."""
        async with self._database.write() as session:
            await one_at_a_time(session, self._database)
            row = await versions.of_run(session, question.run_id)
            if row is None:
                async with route_changes(session, question.tenant, wake=self._wake):
                    row = await _reserved(session, question)
            model = await session.get_one(ModelRow, row.model_id)
            assert row.base_version is not None
            base = await session.get_one(VersionRow, (row.model_id, row.base_version))
            return PlannedVersion(
                model=model.name,
                reading=as_reading(row.reading),
                version=row.version,
                name=row.name,
                base=served(base),
            )


async def _reserved(session: AsyncSession, question: PlanVersion) -> VersionRow:
    named = await _wanted(session, question)
    model = await models.named(session, question.tenant, named.model)
    if model is not None and model.released_at is not None:
        raise Removed(model.name)
    if model is None:
        model = await register_as_it_is(session, question.tenant, named, question.artifact_type)
    seats = Seats(session, model, question.artifact_type.value, ACTOR)
    champion = await seats.champion(named.reading)
    if champion is None:
        known = [each.name for each in await models.listed(session, question.tenant)]
        raise NoWeights(model.name, known)
    number, now = await versions.next_number(session, seats.model_id), utc_now()
    row = VersionRow(
        model_id=seats.model_id,
        version=number,
        name=versions.name_of(number, now),
        state="planned",
        origin=RUN,
        reading=named.reading,
        artifact_type=question.artifact_type.value,
        base_version=champion.version,
        run_id=question.run_id,
        created_at=now,
    )
    session.add(row)
    await session.flush()
    audit.record(
        session,
        ACTOR,
        "planned",
        f"model:{model.name}@{number}",
        tenant=question.tenant,
        artifact_type=question.artifact_type.value,
        run=question.run_id,
        base=champion.version,
    )
    return row


async def _wanted(session: AsyncSession, question: PlanVersion) -> RouteModel:
    """The model that is to be trained, and how it reads. Raises NoRoute, NotAModel."""
    table = await routes.resolved(session, question.tenant)
    route = table.get(question.artifact_type.value) or table.get(DEFAULT_ROUTE)
    if question.model is None:
        if route is None:
            raise NoRoute(question.artifact_type)
        return route.local_models[0]
    try:
        name = str(ModelRef.parse(question.model))
    except InvalidModelRef as error:
        raise NotAModel(str(error)) from error
    for each in () if route is None else route.local_models:
        if each.model == name:
            return each
    model = await models.named(session, question.tenant, name)
    return RouteModel(model=name, reading="whole" if model is None else as_reading(model.reading))


async def register_as_it_is(
    session: AsyncSession, tenant: str, named: RouteModel, artifact_type: ArtifactType
) -> ModelRow:
    """What its provider serves under the model's name becomes version 1 and champion. Raises NoWeights."""
    if ModelRef.parse(named.model).provider == "llamacpp":
        raise NoWeights(named.model, [each.name for each in await models.listed(session, tenant)])
    model = ModelRow(tenant=tenant, name=named.model, reading=named.reading)
    session.add(model)
    await session.flush()
    seats = Seats(session, model, artifact_type.value, ACTOR)
    version = VersionRow(
        model_id=seats.model_id,
        version=1,
        name=versions.name_of(1),
        state="candidate",
        origin=EXTERNAL,
        reading=named.reading,
        served_by=model.name,
    )
    session.add(version)
    await session.flush()
    audit.record(session, ACTOR, "registered", f"model:{model.name}@1", tenant=tenant, origin=EXTERNAL)
    await seats.crown(version, "as its provider serves it")
    return model


async def training_failed(message: TrainingFailed, session: AsyncSession) -> Iterable[Message]:
    return await _ended(message, session, f"training failed: {message.error.detail}")


async def deployment_failed(message: DeploymentFailed, session: AsyncSession) -> Iterable[Message]:
    return await _ended(message, session, f"it was not deployed: {message.error.detail}")


async def job_cancelled(message: JobCancelled, session: AsyncSession) -> Iterable[Message]:
    return await _ended(message, session, "its run was cancelled")


async def _ended(message: Message, session: AsyncSession, why: str) -> Iterable[Message]:
    """The number stays given: it may stand in logs, files and names."""
    query = select(VersionRow).where(VersionRow.run_id == message.correlation_id).with_for_update()
    row = (await session.exec(query)).first()
    if row is not None and row.state in ("planned", "candidate"):
        model = await session.get_one(ModelRow, row.model_id)
        # What is deployed may still be promoted by hand; the loop lets it be.
        row.state = "failed" if row.state == "planned" else "challenger"
        row.reason = why[:500]
        audit.record(
            session,
            audit.LOOP,
            "gave up",
            f"model:{model.name}@{row.version}",
            tenant=model.tenant,
            run=row.run_id,
            why=row.reason,
        )
    return ()
