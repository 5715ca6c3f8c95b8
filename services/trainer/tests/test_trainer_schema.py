"""Databases of earlier versions are taken on with what is in them."""

import sqlalchemy as sa

from hone_chassis.database import Database
from hone_chassis.migrations import migrate
from hone_chassis.tables import utc_now
from hone_contracts.ids import new_id
from hone_trainer.app import HEAD
from hone_trainer.runs import book


async def test_a_run_from_before_runs_were_steered_can_be_taken_up(database_url: str) -> None:
    database, run_id = Database(database_url, "trainer"), new_id("job")
    await migrate(database, "hone_trainer", "0002")
    values = {
        "id": run_id, "tenant": "default", "artifact_type": "mermaid_erd", "method": "few_shot", "trigger": "manual",
        "state": "queued", "attempt": 0, "fence": 0, "batch": "b", "examples": 3, "settings": "{}",
        "parameters": "{}", "figures": "{}", "reasons": "[]", "now": utc_now(),
    }  # fmt: skip
    names = [name for name in values if name != "now"]
    insert = (
        f"INSERT INTO runs ({', '.join(names)}, created_at, updated_at) "
        f"VALUES ({', '.join(':' + name for name in names)}, :now, :now)"
    )
    async with database.write() as session:
        await (await session.connection()).execute(sa.text(insert), values)
    await migrate(database, "hone_trainer", HEAD)
    async with database.read() as session:
        row = await book.find(session, run_id)
    assert row is not None
    assert (row["place"], row["command"], row["control"]) == ("any", None, None)
    await database.aclose()
