"""Tables the chassis keeps in each service's database: what is to be sent, and what was received."""

from datetime import UTC, datetime
from typing import Any, ClassVar

from sqlalchemy import BigInteger, DateTime, Index, Integer, LargeBinary, MetaData, Table, text
from sqlalchemy.engine import Dialect
from sqlalchemy.types import JSON, TypeDecorator
from sqlmodel import Field, SQLModel


class UtcDateTime(TypeDecorator[datetime]):
    """A point in time. SQLite forgets the zone, so it is put back on the way out."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:  # noqa: ARG002
        return None if value is None else value.astimezone(UTC)

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:  # noqa: ARG002
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


BIG_ID = BigInteger().with_variant(Integer, "sqlite")
"""A number the database gives out, for a primary key. SQLite counts up only in columns of type INTEGER."""


def utc_now() -> datetime:
    return datetime.now(UTC)


class ChassisTable(SQLModel):
    metadata: ClassVar[MetaData] = MetaData()


class OutboxRow(ChassisTable, table=True):
    """A message that a committed transaction announced. Kept after sending, for replay to a new broker."""

    __tablename__ = "outbox"
    __table_args__ = (
        Index(
            "outbox_unsent",
            "id",
            sqlite_where=text("broker_epoch IS NULL"),
            postgresql_where=text("broker_epoch IS NULL"),
        ),
        Index("outbox_created_at", "created_at"),
    )

    id: int | None = Field(
        default=None,
        primary_key=True,
        sa_type=BigInteger().with_variant(Integer, "sqlite"),
    )
    message_id: str = Field(unique=True)
    subject: str
    body: bytes = Field(sa_type=LargeBinary)
    headers: dict[str, Any] = Field(default_factory=dict, sa_type=JSON)
    created_at: datetime = Field(default_factory=utc_now, sa_type=UtcDateTime)
    broker_epoch: str | None = Field(default=None, description="which broker's disk took it; null: unsent")


class InboxRow(ChassisTable, table=True):
    """A receipt: this consumer has applied that message."""

    __tablename__ = "inbox"
    __table_args__ = (Index("inbox_received_at", "received_at"),)

    consumer: str = Field(primary_key=True)
    message_id: str = Field(primary_key=True)
    received_at: datetime = Field(default_factory=utc_now, sa_type=UtcDateTime)


def table_of(model: type[SQLModel]) -> Table:
    """For statements on plain rows, where objects would cost more than the statement."""
    table: Table = model.__table__  # type: ignore[attr-defined]  # every class with table=True has it
    return table
