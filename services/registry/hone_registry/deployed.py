"""A version that its provider serves: it is registered, and evaluated against the champion as it is now."""

from collections.abc import Iterable

from sqlmodel.ext.asyncio.session import AsyncSession

from hone_chassis.database import Database
from hone_contracts.deployment import ModelDeployed
from hone_contracts.evaluation import EvaluateVersions, VersionJudged
from hone_contracts.messages import Message
from hone_contracts.registry import RouteModel
from hone_registry import audit, models, versions
from hone_registry.judged import judged
from hone_registry.planning import register_as_it_is
from hone_registry.seats import Seats
from hone_registry.standings import as_reading, served
from hone_registry.tables import CHALLENGER, RUN, ModelRow, VersionRow
from hone_registry.turns import one_at_a_time

MOST_PROMPT_BYTES = 300_000
"""Champion and canary stand in one route, which is one value on the broker: at most 1 MB."""


class Deployed:
    """Handles ModelDeployed."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def deployed(self, message: ModelDeployed, session: AsyncSession) -> Iterable[Message]:
        await one_at_a_time(session, self._database)
        model, version = await _planned(message, session)
        if version is None:
            return [_number_taken(message, model)]
        if version.state != "planned":
            return ()  # its run was told of already: it came twice, or was cancelled or failed meanwhile
        _fill(version, message)
        seats = Seats(session, model, message.artifact_type.value, audit.LOOP)
        if too_large := _prompt_too_large(message):
            await seats.set_aside(version, "rejected", too_large)
            return [judged(seats, version, "rejected", [too_large], cause=message)]
        audit.record(
            session,
            audit.LOOP,
            "registered",
            f"model:{model.name}@{version.version}",
            tenant=model.tenant,
            artifact_type=message.artifact_type.value,
            method=message.method,
            dataset=message.dataset.digest,
            base=version.base_version,
            sha256=message.sha256,
            run=version.run_id,
        )
        await seats.seat(CHALLENGER, version, "it is being evaluated")
        version.state = "candidate"
        return [await evaluation_of(version, seats, message)]


async def evaluation_of(version: VersionRow, seats: Seats, cause: Message) -> EvaluateVersions:
    """Against the champion as it is now."""
    champion = await seats.champion(as_reading(version.reading))
    assert champion is not None, "a model with a planned version has a champion: it is its base"
    assert version.dataset is not None
    version.evaluations_asked += 1
    return EvaluateVersions.caused_by(
        cause,
        artifact_type=seats.artifact_type,
        model=seats.model.name,
        reading=version.reading,
        champion=served(champion),
        challenger=served(version),
        held_out_uri=version.dataset["held_out_uri"],
    )


async def _planned(message: ModelDeployed, session: AsyncSession) -> tuple[ModelRow, VersionRow | None]:
    """The row that the run reserved. Where the registry knows of no plan (its database is of a backup, say), the
    message tells enough to make one, unless another run has the number by now."""
    version = await versions.of_run(session, message.correlation_id)
    if version is not None:
        return await session.get_one(ModelRow, version.model_id), version
    planned = message.planned
    model = await models.named(session, message.tenant, planned.model)
    if model is None:
        named = RouteModel(model=planned.model, reading=planned.reading)
        model = await register_as_it_is(session, message.tenant, named, message.artifact_type)
    seats = Seats(session, model, message.artifact_type.value, audit.LOOP)
    if await session.get(VersionRow, (seats.model_id, planned.version)) is not None:
        return model, None
    base = await session.get(VersionRow, (seats.model_id, planned.base.version))
    base = base or await seats.champion(planned.reading)
    version = VersionRow(
        model_id=seats.model_id,
        version=planned.version,
        name=planned.name,
        state="planned",
        origin=RUN,
        reading=planned.reading,
        artifact_type=message.artifact_type.value,
        base_version=None if base is None else base.version,
        run_id=message.correlation_id,
    )
    session.add(version)
    await session.flush()
    return model, version


def _fill(version: VersionRow, message: ModelDeployed) -> None:
    """The lineage."""
    served_as = message.served
    version.uri = message.uri or served_as.model_uri or ""
    version.sha256 = message.sha256
    version.size_bytes = message.size_bytes
    version.served_by = served_as.served_by
    version.prompt = None if served_as.prompt is None else served_as.prompt.model_dump(mode="json")
    version.method = message.method
    version.dataset_digest = message.dataset.digest
    version.dataset = message.dataset.model_dump(mode="json")
    version.parameters, version.figures = message.parameters, message.figures
    version.proof, version.code_version = message.proof, message.code_version


def _prompt_too_large(message: ModelDeployed) -> str | None:
    prompt = message.served.prompt
    size = 0 if prompt is None else len(prompt.model_dump_json().encode())
    if size <= MOST_PROMPT_BYTES:
        return None
    return f"its examples are {size} bytes; a route holds {MOST_PROMPT_BYTES}. Choose fewer or shorter ones"


def _number_taken(message: ModelDeployed, model: ModelRow) -> Message:
    """Nothing is written: the version that has the number is another run's."""
    why = f"the registry knows of no plan of this run, and number {message.planned.version} is another run's"
    return VersionJudged.caused_by(
        message,
        artifact_type=message.artifact_type,
        model=model.name,
        version=message.planned.version,
        name=message.planned.name,
        verdict="superseded",
        reasons=(why, "train again"),
    )
