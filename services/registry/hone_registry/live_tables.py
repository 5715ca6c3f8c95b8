"""What is known of versions at work."""

from datetime import datetime
from typing import Any

from sqlalchemy import JSON, BigInteger, ForeignKeyConstraint, Index
from sqlmodel import Field

from hone_chassis.tables import UtcDateTime, utc_now
from hone_registry.tables import RegistryTable

_OF_A_VERSION = ["model_id", "version"], ["versions.model_id", "versions.version"]


class LiveRow(RegistryTable, table=True):
    """The qualities of a version's answers, from 0 to 1, as the validators and as people see them: how many, their
    sum, and the sum of their squares."""

    __tablename__ = "live"
    __table_args__ = (ForeignKeyConstraint(*_OF_A_VERSION),)

    model_id: int = Field(primary_key=True, sa_type=BigInteger)
    artifact_type: str = Field(primary_key=True)
    version: int = Field(primary_key=True)
    answers: int = 0
    answers_total: float = 0.0
    answers_squares: float = 0.0
    verdicts: int = 0
    verdicts_total: float = 0.0
    verdicts_squares: float = 0.0
    updated_at: datetime = Field(default_factory=utc_now, sa_type=UtcDateTime)


class VerdictRow(RegistryTable, table=True):
    """What one person said last about one artifact. ``purse`` and ``stake`` tell what was bet on it by the watch."""

    __tablename__ = "verdicts"
    __table_args__ = (
        ForeignKeyConstraint(*_OF_A_VERSION),
        Index("verdicts_of", "model_id", "artifact_type", "version", "person"),
    )

    feedback_id: str = Field(primary_key=True)
    tenant: str
    model_id: int | None = Field(
        default=None, sa_type=BigInteger, description="None: superseded before it came"
    )
    artifact_type: str = ""
    version: int | None = None
    person: str = ""
    quality: float = 0.0
    watch: str | None = Field(default=None, description="the watch that heard it")
    purse: int = 0
    stake: float = 0.0
    said_at: datetime = Field(default_factory=utc_now, sa_type=UtcDateTime)


class WatchRow(RegistryTable, table=True):
    """A champion or canary that is followed, and how its watch stands. ``against`` is the version that it must not be
    worse than; ``rival`` holds what was known of that one when the watch began."""

    __tablename__ = "watches"
    __table_args__ = (ForeignKeyConstraint(*_OF_A_VERSION),)

    model_id: int = Field(primary_key=True, sa_type=BigInteger)
    artifact_type: str = Field(primary_key=True)
    alias: str = Field(primary_key=True)
    version: int
    against: int
    watch: str = Field(description="its id")
    state: dict[str, Any] = Field(default_factory=dict, sa_type=JSON)
    rival: dict[str, Any] = Field(default_factory=dict, sa_type=JSON)
    answers: int = 0
    answers_total: float = 0.0
    began_at: datetime = Field(default_factory=utc_now, sa_type=UtcDateTime)
