"""What the migrations make is what the tables declare."""

from schema import differences
from sqlalchemy import text
from sqlmodel import select

from hone_chassis.database import Database
from hone_chassis.migrations import migrate
from hone_chassis.tables import ChassisTable
from hone_gateway.app import HEAD
from hone_gateway.tables import ArtifactRow, GatewayTable

NOW = "CURRENT_TIMESTAMP"


async def test_the_migrated_schema_is_the_one_the_tables_declare(database_url: str) -> None:
    database = Database(database_url, "gateway")
    await migrate(database, "hone_gateway", HEAD)
    assert await differences(database, ChassisTable.metadata, GatewayTable.metadata) == []
    await database.aclose()


async def test_what_was_there_before_feedback_stays(database_url: str) -> None:
    database = Database(database_url, "gateway")
    await migrate(database, "hone_gateway", "0001")
    job = "INSERT INTO jobs (id, kind, tenant, state, attempt, created_at, updated_at) VALUES "
    columns = "id, tenant, job_id, type, model, score, accepted, created_at, document"
    artifact = f"INSERT INTO artifacts ({columns}) VALUES "
    async with database.write() as session:
        connection = await session.connection()
        await connection.execute(text(f"{job} ('job_1', 'generate', 't', 'succeeded', 1, {NOW}, {NOW})"))
        await connection.execute(
            text(f"{artifact} ('art_1', 't', 'job_1', 'mermaid_erd', 'm', 90, true, {NOW}, '{{}}')")
        )
    await migrate(database, "hone_gateway", HEAD)
    async with database.read() as session:
        [row] = (await session.exec(select(ArtifactRow))).all()
    assert (row.id, row.score, row.version) == ("art_1", 90, None)
    await database.aclose()
