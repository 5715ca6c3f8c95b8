"""Models and their versions, as other services see them."""

from collections.abc import Iterable

from sqlalchemy import ColumnElement
from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from hone_contracts.artifacts import ArtifactType
from hone_contracts.models import ModelRef
from hone_contracts.registry import Model, ModelVersion
from hone_registry import live_figures
from hone_registry.errors import NoSuchModel
from hone_registry.tables import CANARY, CHALLENGER, CHAMPION, AliasRow, ModelRow, VersionRow

_TOLD = set(ModelVersion.model_fields) & set(VersionRow.model_fields)


async def listed(session: AsyncSession, tenant: str, feedback_weight: float = 1.0) -> tuple[Model, ...]:
    """Every model of the tenant that was not removed, by name. A verdict counts as ``feedback_weight`` answers in the
    live quality."""
    query = select(ModelRow).where(*_kept(tenant)).order_by(col(ModelRow.name))
    return await _with_versions(session, (await session.exec(query)).all(), feedback_weight)


async def shown(session: AsyncSession, tenant: str, name: str, feedback_weight: float = 1.0) -> Model:
    """Raises NoSuchModel."""
    (model,) = await _with_versions(session, [await known(session, tenant, name)], feedback_weight)
    return model


async def known(session: AsyncSession, tenant: str, name: str) -> ModelRow:
    """Raises NoSuchModel, which says what names there are."""
    row = await named(session, tenant, name)
    if row is None or row.released_at is not None:
        names = select(ModelRow.name).where(*_kept(tenant)).order_by(col(ModelRow.name))
        raise NoSuchModel(name, (await session.exec(names)).all())
    return row


async def named(session: AsyncSession, tenant: str, name: str) -> ModelRow | None:
    """One that was removed, too."""
    query = select(ModelRow).where(ModelRow.tenant == tenant, ModelRow.name == name)
    return (await session.exec(query)).first()


async def versions_of(session: AsyncSession, model_ids: Iterable[int]) -> list[VersionRow]:
    """Oldest first."""
    query = (
        select(VersionRow).where(col(VersionRow.model_id).in_(model_ids)).order_by(col(VersionRow.version))
    )
    return list((await session.exec(query)).all())


async def _with_versions(
    session: AsyncSession, rows: Iterable[ModelRow], feedback_weight: float
) -> tuple[Model, ...]:
    """Four queries, however many models there are."""
    by_id = {_id(row): row for row in rows}
    versions = await versions_of(session, by_id)
    aliases = (await session.exec(select(AliasRow).where(col(AliasRow.model_id).in_(by_id)))).all()
    live = await live_figures.shown(session, by_id, feedback_weight)
    return tuple(
        _model(
            row,
            [version for version in versions if version.model_id == model_id],
            [alias for alias in aliases if alias.model_id == model_id],
            live,
        )
        for model_id, row in by_id.items()
    )


def _model(
    row: ModelRow, versions: list[VersionRow], aliases: list[AliasRow], live: live_figures.Shown
) -> Model:
    return Model(
        name=row.name,
        provider=ModelRef.parse(row.name).provider,
        artifact_types=tuple(sorted({ArtifactType(alias.artifact_type) for alias in aliases})),
        description=row.description,
        versions=tuple(_version(version, aliases, live) for version in versions),
    )


def _version(version: VersionRow, aliases: list[AliasRow], live: live_figures.Shown) -> ModelVersion:
    return ModelVersion(
        **version.model_dump(include=_TOLD),
        aliases=_aliases(version.version, aliases),
        live=live.get((version.model_id, version.version), {}),
    )


def _aliases(number: int, aliases: list[AliasRow]) -> tuple[str, ...]:
    """``champion`` where one version is that of every type that has one, ``champion:mermaid_erd`` where not."""
    told: list[str] = []
    for alias in (CHAMPION, CANARY, CHALLENGER):
        of_alias = [each for each in aliases if each.alias == alias]
        types = sorted(each.artifact_type for each in of_alias if each.version == number)
        if types:
            alone = len(types) == len(of_alias)
            told += [alias] if alone else [f"{alias}:{each}" for each in types]
    return tuple(told)


def _kept(tenant: str) -> tuple[ColumnElement[bool], ...]:
    return col(ModelRow.tenant) == tenant, col(ModelRow.released_at).is_(None)


def _id(row: ModelRow) -> int:
    assert row.id is not None
    return row.id
