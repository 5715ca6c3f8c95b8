"""What people said, what follows from it, and counts of both that are kept as they change.

A count is read from one row, however many examples there are: ``PoolTypeRow`` has a column for every state, and is
the lock of its type's examples on PostgreSQL.
"""

from datetime import datetime
from typing import Any, Final, Literal

from sqlalchemy import JSON, Index, Text, text
from sqlmodel import Field

from hone_chassis.tables import UtcDateTime, utc_now
from hone_contracts.ids import new_id
from hone_trainer.tables import TrainerTable

State = Literal[
    "new", "claimed", "used", "rejected", "superseded", "disputed", "weak", "unpraised", "duplicate", "unproven",
    "refused",
]  # fmt: skip
"""``new``, ``claimed`` by a run, ``used`` by one: good examples. ``rejected``: of a run whose version was worse, or
of which a gate or too many failures made nothing; never replayed. ``superseded``: another content took its place.

The others wait: half the people are against it; the validators score it low; nobody vouched for it; another example
says the same; nobody has validated it yet. ``refused`` did not pass that.
"""

STATES: Final[tuple[State, ...]] = State.__args__  # type: ignore[attr-defined]
GOOD: Final[tuple[State, ...]] = ("new", "claimed", "used")
WAITING: Final[tuple[State, ...]] = ("disputed", "weak", "unpraised", "duplicate", "unproven", "refused")
TAKEN: Final[tuple[State, ...]] = ("claimed", "used", "rejected")
"""In a batch, and in no other ever."""

_NEW = text("state = 'new'")
_UNPROVEN = text("state = 'unproven'")
_IN_BATCH = text("batch IS NOT NULL")


class PoolTypeRow(TrainerTable, table=True):
    """The examples of one type, counted by state. ``corrected`` are those of the new ones that people corrected."""

    __tablename__ = "pool_types"

    tenant: str = Field(primary_key=True)
    artifact_type: str = Field(primary_key=True)
    new: int = 0
    claimed: int = 0
    used: int = 0
    rejected: int = 0
    superseded: int = 0
    disputed: int = 0
    weak: int = 0
    unpraised: int = 0
    duplicate: int = 0
    unproven: int = 0
    refused: int = 0
    corrected: int = 0
    last_started_at: datetime | None = Field(default=None, sa_type=UtcDateTime)


class PersonRow(TrainerTable, table=True):
    """Who gives examples of a type, and how many of the new ones are theirs alone."""

    __tablename__ = "pool_people"

    tenant: str = Field(primary_key=True)
    artifact_type: str = Field(primary_key=True)
    user: str = Field(primary_key=True)
    new: int = 0
    last_at: datetime = Field(default_factory=utc_now, sa_type=UtcDateTime)


class VerdictRow(TrainerTable, table=True):
    """The last word of one person on one artifact. ``opinion`` in [-1, 1]; None of a comment alone."""

    __tablename__ = "verdicts"

    tenant: str = Field(primary_key=True)
    artifact_id: str = Field(primary_key=True)
    user: str = Field(primary_key=True)
    feedback_id: str
    supersedes: str | None = None
    opinion: float | None = None
    reward: float
    correction: str | None = Field(default=None, sa_type=Text)
    correction_score: int | None = None
    said_at: datetime = Field(sa_type=UtcDateTime)


class ExampleRow(TrainerTable, table=True):
    """Requirements and an artifact, and what is known of how right it is.

    ``current`` is False once the artifact's verdicts say something else than what a batch has taken. ``contributor``
    is the one person that vouches for it, empty where several do. ``key`` is the same for the same requirements and
    content. ``answer`` is what the model had said, where ``content`` is a correction of it.
    """

    __tablename__ = "examples"
    __table_args__ = (
        Index("examples_by_artifact", "tenant", "artifact_id"),
        Index("examples_by_key", "tenant", "artifact_type", "key", "state"),
        Index(
            "examples_new",
            "tenant",
            "artifact_type",
            "contributor",
            "id",
            sqlite_where=_NEW,
            postgresql_where=_NEW,
        ),
        Index("examples_unproven", "id", sqlite_where=_UNPROVEN, postgresql_where=_UNPROVEN),
        Index("examples_by_batch", "batch", sqlite_where=_IN_BATCH, postgresql_where=_IN_BATCH),
        Index("examples_by_state", "tenant", "artifact_type", "state", "held_out", "id"),
    )

    id: str = Field(default_factory=lambda: new_id("ex"), primary_key=True)
    tenant: str
    artifact_type: str
    source: str
    origin: str
    artifact_id: str | None = None
    requirements: str = Field(sa_type=Text)
    content: str = Field(sa_type=Text)
    answer: str | None = Field(default=None, sa_type=Text)
    context_text: str | None = Field(default=None, sa_type=Text)
    options: dict[str, Any] = Field(default_factory=dict, sa_type=JSON)
    evidence: list[Any] = Field(default_factory=list, sa_type=JSON)
    model: str = ""
    version: int | None = None
    score: int
    reward: float
    agreement: float = 1.0
    people: int = 1
    contributor: str
    corrected: bool = False
    state: str
    reason: str | None = None
    held_out: bool = False
    batch: str | None = None
    tries: int = 0
    current: bool = True
    key: str
    created_at: datetime = Field(default_factory=utc_now, sa_type=UtcDateTime)
    updated_at: datetime = Field(default_factory=utc_now, sa_type=UtcDateTime)
