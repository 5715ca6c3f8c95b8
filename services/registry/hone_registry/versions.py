"""The rows of versions: numbers that are never given twice, names, and finding one by what a person calls it."""

from datetime import datetime

from sqlmodel import col, func, select
from sqlmodel.ext.asyncio.session import AsyncSession

from hone_chassis.tables import utc_now
from hone_registry.errors import NoSuchVersion
from hone_registry.tables import ModelRow, VersionRow


async def next_number(session: AsyncSession, model_id: int) -> int:
    """Rows are never deleted, so the next one after the largest was never given."""
    query = select(func.max(VersionRow.version)).where(VersionRow.model_id == model_id)
    return ((await session.exec(query)).one() or 0) + 1


def name_of(number: int, at: datetime | None = None) -> str:
    return f"v{number}_{at or utc_now():%Y%m%dT%H%M%S}"


async def of_run(session: AsyncSession, run_id: str) -> VersionRow | None:
    return (await session.exec(select(VersionRow).where(VersionRow.run_id == run_id))).first()


async def found(session: AsyncSession, model: ModelRow, called: str) -> VersionRow:
    """By number (``3``, ``v3``) or name. Raises NoSuchVersion."""
    rows = (
        await session.exec(
            select(VersionRow).where(VersionRow.model_id == model.id).order_by(col(VersionRow.version))
        )
    ).all()
    number = called.removeprefix("v")
    for row in rows:
        if row.name == called or (number.isascii() and number.isdecimal() and row.version == int(number)):
            return row
    raise NoSuchVersion(model.name, called, [row.name or str(row.version) for row in rows])
