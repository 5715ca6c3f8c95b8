"""Runs, datasets and the workers that are alive. A run's id is that of its job."""

from datetime import datetime
from typing import Any, Final

from sqlalchemy import JSON, Index, text
from sqlmodel import Field

from hone_chassis.tables import UtcDateTime, utc_now
from hone_trainer.tables import TrainerTable

ENDED: Final = ("succeeded", "failed", "cancelled")

_ACTIVE = text("finished_at IS NULL")


class RunRow(TrainerTable, table=True):
    """``fence`` counts the workers that took it up, and pauses: what an earlier one would still write is refused.
    ``command`` is the message that may be worked on: one that comes late, or again, starts nothing."""

    __tablename__ = "runs"
    __table_args__ = (
        # One run a type at a time, whoever starts it.
        Index(
            "runs_active",
            "tenant",
            "artifact_type",
            unique=True,
            sqlite_where=_ACTIVE,
            postgresql_where=_ACTIVE,
        ),
        Index("runs_newest", "tenant", "id"),
    )

    id: str = Field(primary_key=True)
    tenant: str
    artifact_type: str
    method: str
    trigger: str
    state: str
    attempt: int = 0
    fence: int = 0
    place: str = Field(default="any", description="the kind of worker it is for")
    command: str | None = None
    control: str | None = Field(
        default=None, description="`stop`: it is to end early, with what it has learned"
    )
    batch: str
    examples: int
    base: str | None = None
    source: str | None = Field(default=None, description="digest or URI of a dataset that was asked for")
    settings: dict[str, Any] = Field(default_factory=dict, sa_type=JSON)
    planned: dict[str, Any] | None = Field(default=None, sa_type=JSON(none_as_null=True))
    dataset_digest: str | None = None
    parameters: dict[str, Any] = Field(default_factory=dict, sa_type=JSON)
    figures: dict[str, Any] = Field(default_factory=dict, sa_type=JSON)
    verdict: str | None = None
    reasons: list[Any] = Field(default_factory=list, sa_type=JSON)
    error: dict[str, Any] | None = Field(default=None, sa_type=JSON(none_as_null=True))
    created_at: datetime = Field(default_factory=utc_now, sa_type=UtcDateTime)
    updated_at: datetime = Field(default_factory=utc_now, sa_type=UtcDateTime)
    finished_at: datetime | None = Field(default=None, sa_type=UtcDateTime)


class DatasetRow(TrainerTable, table=True):
    """A dataset whose files are there. Never changed."""

    __tablename__ = "datasets"
    __table_args__ = (Index("datasets_newest", "tenant", "created_at"),)

    tenant: str = Field(primary_key=True)
    digest: str = Field(primary_key=True)
    artifact_type: str
    summary: dict[str, Any] = Field(sa_type=JSON)
    run_id: str | None = None
    report: dict[str, Any] = Field(default_factory=dict, sa_type=JSON)
    parameters: dict[str, Any] = Field(default_factory=dict, sa_type=JSON)
    created_at: datetime = Field(default_factory=utc_now, sa_type=UtcDateTime)


class WorkerRow(TrainerTable, table=True):
    """A process that trains, as long as it tells that it is alive."""

    __tablename__ = "workers"

    id: str = Field(primary_key=True)
    places: list[str] = Field(default_factory=list, sa_type=JSON)
    environment: dict[str, Any] = Field(default_factory=dict, sa_type=JSON)
    run_id: str | None = Field(default=None, description="what it works on")
    started_at: datetime = Field(default_factory=utc_now, sa_type=UtcDateTime)
    seen_at: datetime = Field(default_factory=utc_now, sa_type=UtcDateTime)


class CurveRow(TrainerTable, table=True):
    """How the losses of a run went, thinned out: a table of its own, for runs are read often and whole."""

    __tablename__ = "curves"

    run_id: str = Field(primary_key=True)
    steps: int = 0
    points: list[dict[str, Any]] = Field(default_factory=list, sa_type=JSON)
    updated_at: datetime = Field(default_factory=utc_now, sa_type=UtcDateTime)
