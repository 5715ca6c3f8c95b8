"""What the registry keeps.

What a version is made of never changes once it is deployed, but for the place where its file lies. What moves are the
aliases, and with them its state.
"""

from datetime import datetime
from typing import Any, ClassVar, Literal

from sqlalchemy import (
    JSON,
    BigInteger,
    ForeignKeyConstraint,
    Index,
    MetaData,
    String,
    UniqueConstraint,
    text,
)
from sqlmodel import Field, SQLModel

from hone_chassis.tables import BIG_ID, UtcDateTime, utc_now
from hone_contracts.messages import DEFAULT_TENANT

Alias = Literal["champion", "canary", "challenger"]
CHAMPION: Alias = "champion"
CANARY: Alias = "canary"
CHALLENGER: Alias = "challenger"

State = Literal[
    "planned", "failed", "candidate", "challenger", "canary", "champion",
    "rejected", "superseded", "rolled_back", "retired", "added",
]  # fmt: skip
"""``planned`` is a number that a run reserved, ``failed`` a run that made nothing of it; a ``candidate`` is being
evaluated, a ``challenger`` kept beside the champion; ``retired`` was champion until a better one came,
``rolled_back`` until it was found worse, and is promoted again only by hand; ``added`` is what a person brought, and
``superseded`` what something else came before, or in the place of."""

SetBy = Literal["default", "user"]
"""Hone's own routes, which the code may improve, and those of a routes file, which nobody else touches."""
DEFAULT: SetBy = "default"
USER: SetBy = "user"

Origin = Literal["starter", "external", "run", "hub"]
STARTER: Origin = "starter"
EXTERNAL: Origin = "external"
"""What its provider serves under the model's own name, untouched."""
RUN: Origin = "run"
HUB: Origin = "hub"
"""What a person had the hub fetch, and prove."""


JSON_OR_NULL = JSON(none_as_null=True)


class RegistryTable(SQLModel):
    metadata: ClassVar[MetaData] = MetaData()


class ModelRow(RegistryTable, table=True):
    __tablename__ = "models"
    __table_args__ = (UniqueConstraint("tenant", "name"),)

    id: int | None = Field(default=None, primary_key=True, sa_type=BIG_ID)
    tenant: str = DEFAULT_TENANT
    name: str = Field(description="model reference, provider:model[:tag]")
    description: str = ""
    reading: str = Field(default="whole", sa_type=String, description="how it reads where no route says so")
    created_at: datetime = Field(default_factory=utc_now, sa_type=UtcDateTime)
    released_at: datetime | None = Field(
        default=None, sa_type=UtcDateTime, description="since then it is hidden, and no route may name it"
    )


class VersionRow(RegistryTable, table=True):
    __tablename__ = "versions"
    __table_args__ = (
        UniqueConstraint("run_id"),
        ForeignKeyConstraint(["model_id"], ["models.id"]),
    )

    model_id: int = Field(primary_key=True, sa_type=BigInteger)
    version: int = Field(primary_key=True, description="never given twice")
    name: str = Field(default="", description="v{n}_{timestamp}")
    state: str = Field(default="challenger", sa_type=String, description="a State")
    reason: str = Field(default="", description="why it is in this state")
    origin: str = Field(sa_type=String, description="an Origin")
    reading: str = Field(default="whole", sa_type=String)
    # Empty while it is planned.
    uri: str = Field(
        default="", description="of the file of its weights; empty where its provider keeps them"
    )
    sha256: str = ""
    size_bytes: int = Field(default=0, sa_type=BigInteger)
    served_by: str | None = None
    prompt: dict[str, Any] | None = Field(default=None, sa_type=JSON_OR_NULL, description="a PromptVersion")
    # Where it comes from.
    method: str | None = None
    artifact_type: str | None = Field(default=None, description="what it was trained for")
    base_version: int | None = None
    run_id: str | None = None
    dataset_digest: str | None = None
    dataset: dict[str, Any] | None = Field(default=None, sa_type=JSON_OR_NULL, description="a DatasetSummary")
    parameters: dict[str, Any] = Field(default_factory=dict, sa_type=JSON)
    figures: dict[str, Any] = Field(default_factory=dict, sa_type=JSON)
    proof: dict[str, Any] = Field(default_factory=dict, sa_type=JSON)
    code_version: str = ""
    provenance: dict[str, Any] = Field(default_factory=dict, sa_type=JSON)
    evaluations_asked: int = 0
    created_at: datetime = Field(default_factory=utc_now, sa_type=UtcDateTime)


class AliasRow(RegistryTable, table=True):
    """At most one version of a model has an alias for an artifact type: the primary key says so."""

    __tablename__ = "aliases"
    __table_args__ = (
        ForeignKeyConstraint(["model_id", "version"], ["versions.model_id", "versions.version"]),
    )

    model_id: int = Field(primary_key=True, sa_type=BigInteger)
    artifact_type: str = Field(primary_key=True)
    alias: str = Field(primary_key=True)
    version: int
    share: float | None = Field(default=None, description="of requests, for a canary")
    moved_at: datetime = Field(default_factory=utc_now, sa_type=UtcDateTime)


class ReignRow(RegistryTable, table=True):
    """Who was champion from when to when. The one that is, is also told by its alias."""

    __tablename__ = "reigns"
    __table_args__ = (
        ForeignKeyConstraint(["model_id", "version"], ["versions.model_id", "versions.version"]),
        Index("reigns_of", "model_id", "artifact_type", "id"),
        Index(
            "reigns_open",
            "model_id",
            "artifact_type",
            unique=True,
            sqlite_where=text("ended_at IS NULL"),
            postgresql_where=text("ended_at IS NULL"),
        ),
    )

    id: int | None = Field(default=None, primary_key=True, sa_type=BIG_ID)
    model_id: int = Field(sa_type=BigInteger)
    artifact_type: str
    version: int
    began_at: datetime = Field(default_factory=utc_now, sa_type=UtcDateTime)
    why: str = Field(default="", description="it became champion")
    ended_at: datetime | None = Field(default=None, sa_type=UtcDateTime)
    why_ended: str = ""


class EvaluationRow(RegistryTable, table=True):
    """An evaluation as it was reported, and what was decided on it."""

    __tablename__ = "evaluations"
    __table_args__ = (
        ForeignKeyConstraint(["model_id", "champion"], ["versions.model_id", "versions.version"]),
        ForeignKeyConstraint(["model_id", "challenger"], ["versions.model_id", "versions.version"]),
        Index("evaluations_of", "model_id", "challenger"),
    )

    id: int | None = Field(default=None, primary_key=True, sa_type=BIG_ID)
    model_id: int = Field(sa_type=BigInteger)
    artifact_type: str
    champion: int
    challenger: int
    run_id: str
    verdict: str = Field(sa_type=String, description="a Verdict")
    reasons: list[str] = Field(default_factory=list, sa_type=JSON)
    figures: dict[str, Any] = Field(default_factory=dict, sa_type=JSON)
    pairs: list[dict[str, Any]] = Field(default_factory=list, sa_type=JSON, description="of PairFigures")
    created_at: datetime = Field(default_factory=utc_now, sa_type=UtcDateTime)


class RouteRow(RegistryTable, table=True):
    """Which models answer. Which versions of them is for the champion's alias to say: promoting moves one row."""

    __tablename__ = "routes"

    tenant: str = Field(default=DEFAULT_TENANT, primary_key=True)
    artifact_type: str = Field(primary_key=True)
    settings: dict[str, Any] = Field(sa_type=JSON, description="a Route as JSON, unresolved")
    set_by: str = Field(sa_type=String, description="a SetBy")
    updated_at: datetime = Field(default_factory=utc_now, sa_type=UtcDateTime)


class AuditRow(RegistryTable, table=True):
    """One change. Rows are only ever added: the database itself refuses anything else."""

    __tablename__ = "audit"
    __table_args__ = (
        Index("audit_occurred_at", "occurred_at"),
        Index("audit_subject", "tenant", "subject"),
    )

    id: int | None = Field(default=None, primary_key=True, sa_type=BIG_ID)
    tenant: str = DEFAULT_TENANT
    occurred_at: datetime = Field(default_factory=utc_now, sa_type=UtcDateTime)
    actor: str
    action: str
    subject: str = Field(description="what was changed, as in model:NAME@VERSION or route:TYPE")
    detail: dict[str, Any] = Field(default_factory=dict, sa_type=JSON)
