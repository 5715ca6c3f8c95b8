"""Whether what the migrations made is what the code's tables declare."""

from typing import Any

from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import Connection, MetaData

from hone_chassis.database import Database


async def differences(database: Database, *metadata: MetaData) -> list[Any]:
    """What Alembic would change in the database for it to hold the tables of ``metadata`` and no others."""

    def compare(connection: Connection) -> list[Any]:
        context = MigrationContext.configure(
            connection, opts={"compare_type": True, "include_name": _is_declared_by_code}
        )
        return list(compare_metadata(context, metadata))  # type: ignore[arg-type]  # Alembic takes several

    async with database.engine.connect() as connection:
        return await connection.run_sync(compare)


def _is_declared_by_code(name: str | None, kind: str, _parents: object) -> bool:
    return (kind, name) != ("table", "alembic_version")  # Alembic's own
