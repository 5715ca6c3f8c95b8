"""Datasets that are there, as rows."""

from collections.abc import Sequence

from sqlalchemy import select
from sqlalchemy.engine import RowMapping

from hone_chassis.database import Database
from hone_chassis.tables import table_of
from hone_trainer.errors import NoSuchDataset
from hone_trainer.runs.tables import DatasetRow

_DATASETS = table_of(DatasetRow)
_D = _DATASETS.c


async def find_dataset(database: Database, tenant: str, beginning: str) -> RowMapping:
    """The one whose digest begins so. Raises NoSuchDataset."""
    query = (
        select(_DATASETS)
        .where(_D.tenant == tenant, _D.digest.startswith(beginning, autoescape=True))
        .limit(2)
    )
    rows = await _read(database, query)
    if not rows:
        raise NoSuchDataset(beginning)
    if len(rows) > 1:
        raise NoSuchDataset(beginning, "several digests begin so: write more of it")
    return rows[0]


async def newest(
    database: Database, tenant: str, artifact_type: str | None, limit: int
) -> Sequence[RowMapping]:
    query = select(_DATASETS).where(_D.tenant == tenant)
    if artifact_type is not None:
        query = query.where(_D.artifact_type == artifact_type)
    return await _read(database, query.order_by(_D.created_at.desc()).limit(limit))


async def _read(database: Database, query: object) -> Sequence[RowMapping]:
    async with database.read() as session:
        rows: Sequence[RowMapping] = (await (await session.connection()).execute(query)).mappings().all()  # type: ignore[call-overload]
        return rows
