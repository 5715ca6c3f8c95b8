"""The document of the rows."""

from collections.abc import Iterable, Sequence
from typing import Any, TypeVar

from sqlmodel import SQLModel, col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from hone_contracts.registry import Route
from hone_registry import routes
from hone_registry.tables import AliasRow, EvaluationRow, ModelRow, ReignRow, VersionRow
from hone_registry.whole.document import (
    AliasPart,
    Document,
    EvaluationPart,
    ModelPart,
    Part,
    ReignPart,
    RoutePart,
    VersionPart,
)

P = TypeVar("P", bound=Part)


async def document_of(session: AsyncSession, tenant: str) -> Document:
    rows = await session.exec(select(ModelRow).where(ModelRow.tenant == tenant).order_by(col(ModelRow.name)))
    return Document(
        models=[await _model(session, row) for row in rows.all()],
        routes=[
            RoutePart(
                artifact_type=route.artifact_type,
                set_by=row.set_by,
                settings=route,
            )
            for row in await routes.rows(session, tenant)
            for route in [Route.model_validate(row.settings)]
        ],
    )


async def _model(session: AsyncSession, row: ModelRow) -> ModelPart:
    versions = select(VersionRow).where(VersionRow.model_id == row.id).order_by(col(VersionRow.version))
    aliases = (
        select(AliasRow)
        .where(AliasRow.model_id == row.id)
        .order_by(col(AliasRow.artifact_type), col(AliasRow.alias))
    )
    reigns = select(ReignRow).where(ReignRow.model_id == row.id).order_by(col(ReignRow.id))
    evaluations = (
        select(EvaluationRow).where(EvaluationRow.model_id == row.id).order_by(col(EvaluationRow.id))
    )
    return ModelPart(
        name=row.name,
        description=row.description,
        reading=row.reading,
        created_at=row.created_at,
        released_at=row.released_at,
        versions=_parts(VersionPart, (await session.exec(versions)).all()),
        aliases=_parts(AliasPart, (await session.exec(aliases)).all()),
        champions=_parts(ReignPart, (await session.exec(reigns)).all()),
        evaluations=_parts(EvaluationPart, (await session.exec(evaluations)).all()),
    )


def _parts(kind: type[P], rows: Sequence[SQLModel]) -> list[P]:
    return [kind.model_validate(_known(row, kind.model_fields)) for row in rows]


def _known(row: SQLModel, fields: Iterable[str]) -> dict[str, Any]:
    return {name: value for name in fields if (value := getattr(row, name)) is not None}
