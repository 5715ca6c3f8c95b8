"""What the hub brought, and what of it lies on its disk."""

from datetime import datetime
from typing import Any, ClassVar

from sqlalchemy import JSON, MetaData
from sqlmodel import Field, SQLModel, col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from hone_chassis.tables import UtcDateTime
from hone_contracts.hub_models import AddedModel
from hone_contracts.messages import DEFAULT_TENANT


class HubTable(SQLModel):
    metadata: ClassVar[MetaData] = MetaData()


class AddedModelRow(HubTable, table=True):
    """``used`` is a ``Used``. Not ``tidy``: what nobody needs any more of it is still to be removed."""

    __tablename__ = "added_models"

    tenant: str = Field(default=DEFAULT_TENANT, primary_key=True)
    name: str = Field(primary_key=True)
    job_id: str
    model: dict[str, Any] = Field(sa_type=JSON, description="an AddedModel")
    used: dict[str, Any] = Field(default_factory=dict, sa_type=JSON)
    tidy: bool = False
    added_at: datetime = Field(sa_type=UtcDateTime)

    @property
    def told(self) -> AddedModel:
        return AddedModel.model_validate(self.model)


async def every(session: AsyncSession, tenant: str | None = None) -> list[AddedModelRow]:
    """By name; of all tenants when None."""
    query = select(AddedModelRow).order_by(col(AddedModelRow.name))
    if tenant is not None:
        query = query.where(AddedModelRow.tenant == tenant)
    return list((await session.exec(query)).all())


async def called(session: AsyncSession, tenant: str, name: str) -> AddedModelRow | None:
    """By its name, or by one of its references."""
    row = await session.get(AddedModelRow, (tenant, name))
    if row is not None:
        return row
    return next((each for each in await every(session, tenant) if name in each.told.references), None)
