"""A model that a person had the hub bring: registered under each of its references, or back after it was removed."""

from collections.abc import Iterable

from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from hone_chassis.database import Database
from hone_contracts.hub_models import AddedModel, ModelAdded
from hone_contracts.messages import Message
from hone_contracts.models import InvalidModelRef, ModelRef
from hone_registry import audit, models, versions, watching
from hone_registry.route_changes import Wake, route_changes
from hone_registry.seats import Seats
from hone_registry.tables import CANARY, CHAMPION, HUB, AliasRow, ModelRow, VersionRow
from hone_registry.turns import one_at_a_time

ACTOR = "hone-hub"
_WHERE_FROM = {
    "huggingface": "from Hugging Face",
    "file": "from a file",
    "folder": "from a folder",
    "ollama": "from Ollama's library",
}
_PROVENANCE = {
    "licence", "architecture", "parameters", "quant", "context_tokens", "memory", "template_sha256", "warnings",
}  # fmt: skip


class Added:
    """Handles ModelAdded."""

    def __init__(self, database: Database, wake: Wake) -> None:
        self._database, self._wake = database, wake

    async def added(self, message: ModelAdded, session: AsyncSession) -> Iterable[Message]:
        await one_at_a_time(session, self._database)
        async with route_changes(session, message.tenant, message, self._wake):
            for reference in message.model.references:
                if _is_reference(reference):
                    await _register(session, message, reference)
        return ()


async def _register(session: AsyncSession, message: ModelAdded, reference: str) -> None:
    told = message.model
    model = await models.named(session, message.tenant, reference)
    if model is None:
        model = ModelRow(tenant=message.tenant, name=reference)
        session.add(model)
    elif model.released_at is not None:
        if told.added_at <= model.released_at:
            return  # it was removed before this news of it came
        model.released_at = None
        audit.record(session, ACTOR, "brought back", f"model:{reference}", tenant=message.tenant)
    model.description = _description(told)
    await session.flush()
    assert model.id is not None
    newest = await _newest(session, model.id)
    if newest is not None and newest.origin == HUB and newest.sha256 == told.sha256:
        _bring_up_to_date(newest, told, reference)
    else:
        await _new_version(session, message, model, newest)


async def _newest(session: AsyncSession, model_id: int) -> VersionRow | None:
    """What the provider had under the model's own name before this."""
    query = (
        select(VersionRow)
        .where(VersionRow.model_id == model_id, col(VersionRow.method).is_(None))
        .where(col(VersionRow.state).not_in(("planned", "failed")))
        .order_by(col(VersionRow.version).desc())
    )
    return (await session.exec(query)).first()


async def _new_version(
    session: AsyncSession, message: ModelAdded, model: ModelRow, before: VersionRow | None
) -> None:
    assert model.id is not None
    told, number = message.model, await versions.next_number(session, model.id)
    version = VersionRow(
        model_id=model.id,
        version=number,
        name=versions.name_of(number, told.added_at),
        state="added",
        reason="a person added it",
        origin=HUB,
        reading=model.reading,
        created_at=told.added_at,
    )
    _bring_up_to_date(version, told, model.name)
    session.add(version)
    await session.flush()
    audit.record(
        session,
        ACTOR,
        "registered",
        f"model:{model.name}@{number}",
        tenant=model.tenant,
        origin=HUB,
        source=told.source.model_dump(mode="json"),
        sha256=told.sha256,
        job=message.correlation_id,
    )
    if before is not None:
        await _take_the_place_of(session, model, before, version)


async def _take_the_place_of(
    session: AsyncSession, model: ModelRow, before: VersionRow, version: VersionRow
) -> None:
    """Its provider has the new one under the same name: nobody can ask for the old one any more."""
    query = select(AliasRow).where(AliasRow.model_id == model.id, AliasRow.version == before.version)
    why = "its provider has something else under the model's name now"
    for alias in (await session.exec(query)).all():
        seats = Seats(session, model, alias.artifact_type, ACTOR)
        if alias.alias == CHAMPION:
            await watching.end(seats, CHAMPION, CANARY)
            await seats.crown(version, why, loser="superseded", why_ended=why)
    before.state, before.reason = "superseded", f"{version.name} took its place: {why}"


def _bring_up_to_date(version: VersionRow, told: AddedModel, reference: str) -> None:
    """In-process models are asked for by their file, the others by their name."""
    in_process = ModelRef.parse(reference).provider == "llamacpp"
    version.uri = told.uri if in_process else ""
    version.served_by = None if in_process else reference
    version.sha256, version.size_bytes = told.sha256, told.size_bytes
    version.proof = told.proof
    version.provenance = {
        "source": told.source.model_dump(mode="json"),
        **told.model_dump(mode="json", include=_PROVENANCE, exclude_none=True),
    }


def _description(told: AddedModel) -> str:
    what = f"{told.source.repository} {_WHERE_FROM[told.source.kind]}"
    return f"{what}, {told.quant}" if told.quant else what


def _is_reference(text: str) -> bool:
    try:
        ModelRef.parse(text)
    except InvalidModelRef:
        return False
    return True
