"""The envelope every message shares, and the kinds of message there are.

Fields are only ever added. A breaking change is a new subject version.
"""

from datetime import UTC, datetime
from typing import Annotated, ClassVar, Literal, Self
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from hone_contracts import subjects
from hone_contracts.ids import uuid7

DEFAULT_TENANT = "default"

JobId = Annotated[str, StringConstraints(pattern=r"^job_[0-9a-hjkmnp-tv-z]{26}$")]
Tenant = Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9_-]{0,62}$")]


def _now() -> datetime:
    return datetime.now(UTC)


class Message(BaseModel):
    """What every message carries. ``correlation_id`` is the job it belongs to."""

    # A newer sender may add fields, so unknown ones are let through and dropped.
    model_config = ConfigDict(frozen=True, extra="ignore")

    subject: ClassVar[str]

    message_id: UUID = Field(default_factory=uuid7)
    occurred_at: datetime = Field(default_factory=_now)
    correlation_id: JobId
    causation_id: UUID | None = None
    tenant: Tenant = DEFAULT_TENANT

    @classmethod
    def caused_by(cls, cause: "Message", **fields: object) -> Self:
        """A message of this type that follows from ``cause``: same job, same tenant, its id as the cause."""
        envelope = {
            "correlation_id": cause.correlation_id,
            "causation_id": cause.message_id,
            "tenant": cause.tenant,
        }
        return cls.model_validate(envelope | fields)


class Command(Message):
    """Asks one service to do something. Named in the imperative."""


class Event(Message):
    """Tells everyone that something happened. Named in the past tense."""


class JobProgressed(Message):
    """Where a job stands. Not stored: the job row keeps the last one.

    ``sequence`` grows over all attempts of a job, so that a reader who comes back can say what it saw last.
    ``kind`` token carries text as the model writes it; ``done`` of ``total`` counts whatever ``stage`` counts.
    """

    subject = subjects.ALL_PROGRESS

    sequence: int = Field(ge=0)
    kind: Literal["progress", "token"] = "progress"
    attempt: int = 1
    stage: str
    message: str = ""
    done: int | None = None
    total: int | None = None
    figures: dict[str, float] = Field(
        default={}, description="what is measured on the way, by its name with unit"
    )
    token: str | None = None
