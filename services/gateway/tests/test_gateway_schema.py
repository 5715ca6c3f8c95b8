"""What the migrations make is what the tables declare."""

from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from sqlalchemy import Connection

from hone_chassis.database import Database
from hone_chassis.migrations import migrate
from hone_chassis.tables import ChassisTable
from hone_gateway.app import HEAD
from hone_gateway.tables import GatewayTable


async def test_the_migrated_schema_is_the_one_the_tables_declare(database_url: str) -> None:
    def differences(connection: Connection) -> list[object]:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        tables = [ChassisTable.metadata, GatewayTable.metadata]
        found: list[object] = compare_metadata(context, tables)  # type: ignore[arg-type]  # it takes several
        return found

    database = Database(database_url, "gateway")
    await migrate(database, "hone_gateway", HEAD)
    async with database.engine.connect() as connection:
        assert await connection.run_sync(differences) == []
    await database.aclose()
