"""The generator's migrations make the tables that its code declares, on both databases."""

from schema import differences

from hone_chassis.cancellations import CancelledJobRow
from hone_chassis.database import Database
from hone_chassis.migrations import migrate
from hone_chassis.tables import ChassisTable


async def test_the_migrated_schema_is_the_one_the_tables_declare(database_url: str) -> None:
    database = Database(database_url, "generator")
    await migrate(database, "hone_generator", "0001")
    assert await differences(database, ChassisTable.metadata, CancelledJobRow.metadata) == []
    await database.aclose()
