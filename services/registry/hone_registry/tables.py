"""What the registry keeps.

A version never changes once it is there, but for the place where its file lies. What moves are the aliases.
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
)
from sqlmodel import Field, SQLModel

from hone_chassis.tables import BIG_ID, UtcDateTime, utc_now
from hone_contracts.messages import DEFAULT_TENANT

Alias = Literal["champion", "challenger"]
CHAMPION: Alias = "champion"

SetBy = Literal["default", "user"]
"""Hone's own routes, which the code may improve, and those of a routes file, which nobody else touches."""
DEFAULT: SetBy = "default"
USER: SetBy = "user"

Origin = Literal["starter"]
STARTER: Origin = "starter"


class RegistryTable(SQLModel):
    metadata: ClassVar[MetaData] = MetaData()


class ModelRow(RegistryTable, table=True):
    __tablename__ = "models"
    __table_args__ = (UniqueConstraint("tenant", "name"),)

    id: int | None = Field(default=None, primary_key=True, sa_type=BIG_ID)
    tenant: str = DEFAULT_TENANT
    name: str = Field(description="model reference, provider:model[:tag]")
    description: str = ""
    created_at: datetime = Field(default_factory=utc_now, sa_type=UtcDateTime)


class VersionRow(RegistryTable, table=True):
    __tablename__ = "versions"
    __table_args__ = (
        UniqueConstraint("model_id", "sha256"),
        ForeignKeyConstraint(["model_id"], ["models.id"]),
    )

    model_id: int = Field(primary_key=True, sa_type=BigInteger)
    version: int = Field(primary_key=True)
    uri: str
    sha256: str
    size_bytes: int = Field(sa_type=BigInteger)
    origin: str = Field(sa_type=String, description="where it came from: shipped with Hone, or made here")
    provenance: dict[str, Any] = Field(default_factory=dict, sa_type=JSON)
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
    moved_at: datetime = Field(default_factory=utc_now, sa_type=UtcDateTime)


class RouteRow(RegistryTable, table=True):
    """Which models answer. Which versions of them is for the champion's alias to say: promoting moves one row."""

    __tablename__ = "routes"

    tenant: str = Field(default=DEFAULT_TENANT, primary_key=True)
    artifact_type: str = Field(primary_key=True)
    settings: dict[str, Any] = Field(sa_type=JSON, description="a Route as JSON, unresolved")
    set_by: str = Field(sa_type=String, description="a SetBy")
    updated_at: datetime = Field(default_factory=utc_now, sa_type=UtcDateTime)


class AuditRow(RegistryTable, table=True):
    """One change. Rows are only ever added."""

    __tablename__ = "audit"
    __table_args__ = (Index("audit_occurred_at", "occurred_at"),)

    id: int | None = Field(default=None, primary_key=True, sa_type=BIG_ID)
    tenant: str = DEFAULT_TENANT
    occurred_at: datetime = Field(default_factory=utc_now, sa_type=UtcDateTime)
    actor: str
    action: str
    subject: str = Field(description="what was changed, as in model:NAME@VERSION or route:TYPE")
    detail: dict[str, Any] = Field(default_factory=dict, sa_type=JSON)
