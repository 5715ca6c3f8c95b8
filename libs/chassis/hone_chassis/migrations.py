"""Bring a service's database to the schema of this code, with Alembic, once per start.

Alembic itself is imported only when there is something to do: a warm start asks one question.
"""

from importlib import resources
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa
from sqlalchemy import Connection, inspect, text
from sqlalchemy.schema import CreateSchema

from hone_chassis.database import Database
from hone_chassis.errors import DatabaseNewer
from hone_chassis.logs import get_logger
from hone_chassis.tables import UtcDateTime

if TYPE_CHECKING:
    from alembic.config import Config

log = get_logger(__name__)

# Replicas that start together must not migrate together.
_ADVISORY_LOCK = 0x686F6E65


async def migrate(database: Database, package: str, head: str) -> None:
    """Upgrade to ``head``, the newest revision in ``package.migrations``.

    Raises DatabaseNewer when the database is ahead of the code.
    """
    async with database.engine.connect() as connection:
        await connection.execute(
            text(
                "BEGIN IMMEDIATE" if database.is_sqlite else f"SELECT pg_advisory_xact_lock({_ADVISORY_LOCK})"
            )
        )
        if not database.is_sqlite:
            await connection.execute(CreateSchema(database.service, if_not_exists=True))
        current = await connection.run_sync(_current_revision)
        if current != head:
            await connection.run_sync(_upgrade, package, head, current, database.service)
            log.info("database migrated", revision=head, was=current)
        await connection.commit()


def _current_revision(connection: Connection) -> str | None:
    if not inspect(connection).has_table("alembic_version"):
        return None
    row = connection.execute(text("SELECT version_num FROM alembic_version")).first()
    return None if row is None else str(row[0])


def alembic_config(package: str) -> "Config":
    from alembic.config import Config  # noqa: PLC0415 (0.2 s that a warm start does not need)

    config = Config()
    config.set_main_option("script_location", str(resources.files(package) / "migrations"))
    return config


def _upgrade(connection: Connection, package: str, head: str, current: str | None, service: str) -> None:
    from alembic import command  # noqa: PLC0415
    from alembic.script import ScriptDirectory  # noqa: PLC0415

    config = alembic_config(package)
    known = {revision.revision for revision in ScriptDirectory.from_config(config).walk_revisions()}
    if current is not None and current not in known:
        raise DatabaseNewer(service, current)
    config.attributes["connection"] = connection
    command.upgrade(config, head)


def run_environment() -> None:
    """The whole of a service's ``migrations/env.py``: run on the connection that ``migrate`` opened."""
    from alembic import context  # noqa: PLC0415

    connection: Connection = context.config.attributes["connection"]
    context.configure(connection=connection, render_as_batch=connection.dialect.name == "sqlite")
    context.run_migrations()


def create_outbox_and_inbox(op: Any) -> None:
    """With ``alembic.op`` (a module that stands for Operations): the chassis's tables as of
    version 1, for each service's first migration. Never edited later."""
    unsent = text("broker_epoch IS NULL")
    op.create_table(
        "outbox",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer, "sqlite"), primary_key=True),
        sa.Column("message_id", sa.String, nullable=False, unique=True),
        sa.Column("subject", sa.String, nullable=False),
        sa.Column("body", sa.LargeBinary, nullable=False),
        sa.Column("headers", sa.JSON, nullable=False),
        sa.Column("created_at", UtcDateTime, nullable=False),
        sa.Column("broker_epoch", sa.String),
    )
    op.create_index("outbox_unsent", "outbox", ["id"], sqlite_where=unsent, postgresql_where=unsent)
    op.create_index("outbox_created_at", "outbox", ["created_at"])
    op.create_table(
        "inbox",
        sa.Column("consumer", sa.String, primary_key=True),
        sa.Column("message_id", sa.String, primary_key=True),
        sa.Column("received_at", UtcDateTime, nullable=False),
    )
    op.create_index("inbox_received_at", "inbox", ["received_at"])


def create_cancelled_jobs(op: Any) -> None:
    """The table of ``cancellations`` as of version 1. Never edited later."""
    op.create_table(
        "cancelled_jobs",
        sa.Column("job_id", sa.String, primary_key=True),
        sa.Column("cancelled_at", UtcDateTime, nullable=False),
    )
