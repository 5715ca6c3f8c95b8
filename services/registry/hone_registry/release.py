"""Letting go of models that the hub is to remove: hidden and unroutable from then on, unless a route names one."""

from collections.abc import Iterable
from datetime import datetime

from sqlmodel.ext.asyncio.session import AsyncSession

from hone_chassis.database import Database
from hone_chassis.tables import utc_now
from hone_contracts.hub_models import ModelReleased, ReleaseModel
from hone_contracts.models import InvalidModelRef, ModelRef
from hone_contracts.registry import RouteModel
from hone_registry import audit, models, routes, starter
from hone_registry.errors import ModelInUse, NotAModel, ShipsWithHone
from hone_registry.tables import ModelRow
from hone_registry.turns import one_at_a_time

_NEWEST = ":latest"


class Releases:
    """Answers ReleaseModel."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def release(self, question: ReleaseModel) -> ModelReleased:
        """Raises NotAModel, ShipsWithHone, ModelInUse."""
        references = tuple(dict.fromkeys(map(_reference, question.references)))
        if starter.NAME in references:
            raise ShipsWithHone(starter.NAME)
        async with self._database.write() as session:
            await one_at_a_time(session, self._database)
            routes_of = await used_by(session, question.tenant, references)
            if routes_of:
                raise ModelInUse(routes_of)
            now = utc_now()
            for reference in references:
                await _release(session, question, reference, now)
        return ModelReleased(references=references)


def spellings(reference: str) -> tuple[str, ...]:
    """Ollama's names without a tag are those with ``:latest``."""
    ref = ModelRef.parse(reference)
    if ref.provider != "ollama":
        return (reference,)
    if reference.endswith(_NEWEST):
        return reference, reference.removesuffix(_NEWEST)
    return (reference,) if ":" in ref.name else (reference, f"{reference}{_NEWEST}")


def named_by(model: RouteModel) -> Iterable[str]:
    """What a route's model, its version and its canary ask their provider for."""
    asked = (model.model, model.served_by, None if model.canary is None else model.canary.served_by)
    return (each for each in asked if each is not None)


async def used_by(
    session: AsyncSession, tenant: str, references: Iterable[str]
) -> dict[str, tuple[str, ...]]:
    """The routes that name each of them, the disabled ones too: they may be enabled any time."""
    table = await routes.resolved(session, tenant)
    used = {
        reference: tuple(
            key
            for key, route in table.items()
            if set(spellings(reference)) & {each for model in route.local_models for each in named_by(model)}
        )
        for reference in references
    }
    return {reference: keys for reference, keys in used.items() if keys}


async def _release(session: AsyncSession, question: ReleaseModel, reference: str, now: datetime) -> None:
    """Of a model that is not known yet the row alone is made: the news of it may still be on its way."""
    row = await models.named(session, question.tenant, reference)
    if row is None:
        row = ModelRow(tenant=question.tenant, name=reference, created_at=now)
    elif row.released_at is not None:
        return
    row.released_at = now
    session.add(row)
    audit.record(session, question.actor, "released", f"model:{reference}", tenant=question.tenant)


def _reference(text: str) -> str:
    try:
        return str(ModelRef.parse(text))
    except InvalidModelRef as error:
        raise NotAModel(str(error)) from error
