"""What the migrations make is what the tables declare."""

from schema import differences

from hone_chassis.database import Database
from hone_chassis.migrations import migrate
from hone_chassis.tables import ChassisTable
from hone_gateway.app import HEAD
from hone_gateway.tables import GatewayTable


async def test_the_migrated_schema_is_the_one_the_tables_declare(database_url: str) -> None:
    database = Database(database_url, "gateway")
    await migrate(database, "hone_gateway", HEAD)
    assert await differences(database, ChassisTable.metadata, GatewayTable.metadata) == []
    await database.aclose()
