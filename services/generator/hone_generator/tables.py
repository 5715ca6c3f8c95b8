"""What the generator keeps of its own."""

from datetime import datetime
from typing import ClassVar

from sqlalchemy import MetaData
from sqlmodel import Field, SQLModel

from hone_chassis.tables import UtcDateTime, utc_now


class CancelledJob(SQLModel, table=True):
    """A job that was cancelled, perhaps before its command came: nothing is generated for it."""

    __tablename__ = "cancelled_jobs"
    metadata: ClassVar[MetaData] = MetaData()

    job_id: str = Field(primary_key=True)
    cancelled_at: datetime = Field(default_factory=utc_now, sa_type=UtcDateTime)
