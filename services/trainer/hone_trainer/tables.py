"""The trainer's own tables have one metadata; they stand in ``pool.tables`` and ``runs.tables``."""

from typing import ClassVar

from sqlalchemy import MetaData
from sqlmodel import SQLModel


class TrainerTable(SQLModel):
    metadata: ClassVar[MetaData] = MetaData()
