"""The generator's migrations make the tables that its code declares, on both databases."""

from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import Connection

from hone_chassis.cancellations import CancelledJobRow
from hone_chassis.database import Database
from hone_chassis.migrations import migrate
from hone_chassis.tables import ChassisTable


async def test_the_migrated_schema_is_the_one_the_tables_declare(database_url: str) -> None:
    database = Database(database_url, "generator")
    await migrate(database, "hone_generator", "0001")

    def differences(connection: Connection) -> list[object]:
        found: list[object] = compare_metadata(
            MigrationContext.configure(connection, opts={"compare_type": True}),
            [ChassisTable.metadata, CancelledJobRow.metadata],  # type: ignore[arg-type]  # Alembic takes several
        )
        return found

    async with database.engine.connect() as connection:
        assert await connection.run_sync(differences) == []
    await database.aclose()
