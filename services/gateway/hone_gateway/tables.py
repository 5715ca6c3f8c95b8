"""What the gateway owns: keys, jobs, artifacts with what they were asked from and what is said of them, and answers
kept for repeated requests."""

from datetime import datetime
from typing import Any, ClassVar

from sqlalchemy import Index, MetaData, Text, text
from sqlalchemy.types import JSON
from sqlmodel import Field, SQLModel

from hone_chassis.tables import UtcDateTime, utc_now
from hone_contracts.jobs import JobState


class GatewayTable(SQLModel):
    metadata: ClassVar[MetaData] = MetaData()


class ApiKeyRow(GatewayTable, table=True):
    """A key. The key itself is 256 random bits and kept nowhere; its SHA-256 finds the row."""

    __tablename__ = "api_keys"

    sha256: str = Field(primary_key=True)
    prefix: str = Field(description="what a list shows, so that its owner recognises it")
    tenant: str
    name: str
    created_at: datetime = Field(default_factory=utc_now, sa_type=UtcDateTime)
    revoked_at: datetime | None = Field(default=None, sa_type=UtcDateTime)


class JobRow(GatewayTable, table=True):
    """A job: accepted, running, or ended, once and for good."""

    __tablename__ = "jobs"
    __table_args__ = (Index("jobs_newest", "tenant", "id"), Index("jobs_by_state", "tenant", "state", "id"))

    id: str = Field(primary_key=True)
    kind: str
    tenant: str
    state: str = JobState.QUEUED
    attempt: int = 0
    progress: dict[str, Any] | None = Field(default=None, sa_type=JSON(none_as_null=True))
    result: dict[str, Any] | None = Field(default=None, sa_type=JSON(none_as_null=True))
    error: dict[str, Any] | None = Field(default=None, sa_type=JSON(none_as_null=True))
    # The message whose dead letter this job sends again: a letter is sent again once.
    retry_of: str | None = Field(default=None, unique=True)
    created_at: datetime = Field(default_factory=utc_now, sa_type=UtcDateTime)
    updated_at: datetime = Field(default_factory=utc_now, sa_type=UtcDateTime)
    finished_at: datetime | None = Field(default=None, sa_type=UtcDateTime)


class RequestRow(GatewayTable, table=True):
    """What a job's artifact was asked from: without it, nothing is learned from the artifact later."""

    __tablename__ = "requests"

    job_id: str = Field(primary_key=True, foreign_key="jobs.id")
    requirements: str = Field(sa_type=Text)
    context_text: str | None = Field(default=None, sa_type=Text)
    options: dict[str, str] = Field(default_factory=dict, sa_type=JSON)


class ArtifactRow(GatewayTable, table=True):
    """An artifact, with its document as the API shows it."""

    __tablename__ = "artifacts"
    __table_args__ = (Index("artifacts_newest", "tenant", "id"),)

    id: str = Field(primary_key=True)
    tenant: str
    job_id: str = Field(foreign_key="jobs.id", unique=True)
    type: str
    model: str
    version: int | None = Field(default=None, description="of the model, where the registry keeps it")
    score: int
    accepted: bool
    created_at: datetime = Field(default_factory=utc_now, sa_type=UtcDateTime)
    # Text, and not JSON: it is written once and sent as it stands.
    document: str = Field(sa_type=Text)


class FeedbackRow(GatewayTable, table=True):
    """What one person said of an artifact. Of one person only the last word counts: the one not superseded."""

    __tablename__ = "feedback"
    __table_args__ = (
        Index("feedback_of_artifact", "artifact_id", "id"),
        Index(
            "feedback_that_counts",
            "artifact_id",
            "user",
            unique=True,
            sqlite_where=text("superseded_by IS NULL"),
            postgresql_where=text("superseded_by IS NULL"),
        ),
    )

    id: str = Field(primary_key=True)
    tenant: str
    artifact_id: str = Field(foreign_key="artifacts.id")
    user: str
    thumb: str | None = None
    score: int | None = None
    comment: str | None = Field(default=None, sa_type=Text)
    correction: str | None = Field(default=None, sa_type=Text)
    correction_score: int | None = None
    distance: float | None = None
    reward: float
    not_learned: str | None = Field(
        default=None, sa_type=Text, description="why it is no example; null: it is"
    )
    supersedes: str | None = None
    superseded_by: str | None = None
    created_at: datetime = Field(default_factory=utc_now, sa_type=UtcDateTime)


class IdempotencyRow(GatewayTable, table=True):
    """The answer to a POST that carried an Idempotency-Key, written in the transaction of its effect."""

    __tablename__ = "idempotency_keys"
    __table_args__ = (Index("idempotency_keys_created_at", "created_at"),)

    tenant: str = Field(primary_key=True)
    key: str = Field(primary_key=True)
    fingerprint: str = Field(description="SHA-256 of method, path and body")
    status: int | None = Field(default=None, description="null only inside the transaction that will set it")
    location: str | None = None
    body: str | None = Field(default=None, sa_type=Text)
    created_at: datetime = Field(default_factory=utc_now, sa_type=UtcDateTime)
