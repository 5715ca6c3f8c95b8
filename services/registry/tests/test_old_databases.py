"""A database of before versions had lineage: what was in it is still there, and works."""

from datetime import UTC, datetime
from typing import Any

import pytest
import sqlalchemy as sa
from alembic import command
from bare import bare
from loops import ERD, MODEL
from schema import differences

from hone_chassis import migrations
from hone_chassis.database import Database
from hone_chassis.loop_policy import LoopPolicy
from hone_chassis.tables import ChassisTable, UtcDateTime
from hone_contracts.ids import new_id
from hone_contracts.registry import ListModels, ListRoutes, PlanVersion
from hone_registry.answers import Answers
from hone_registry.tables import AuditRow, RegistryTable, ReignRow, VersionRow

THEN = datetime(2026, 11, 1, 12, tzinfo=UTC)
NOW_IS = sa.bindparam("at", THEN, UtcDateTime)


@pytest.fixture
async def old(database_url: str, monkeypatch: pytest.MonkeyPatch) -> str:
    """At revision 0002: two versions of the starter, another model's, a route, and a line in the trail."""
    database = Database(database_url, "registry")

    def upgrade(connection: sa.Connection, package: str, head: str, *_: Any) -> None:
        config = migrations.alembic_config(package)
        config.attributes["connection"] = connection
        command.upgrade(config, head)

    monkeypatch.setattr(migrations, "_upgrade", upgrade)
    await migrations.migrate(database, "hone_registry", "0002")
    monkeypatch.undo()
    async with database.write() as session:
        connection = await session.connection()
        for statement in (
            f"INSERT INTO models VALUES (1, 'default', '{MODEL}', 'small', :at)",
            "INSERT INTO models VALUES (2, 'default', 'ollama:a', '', :at)",
            "INSERT INTO versions VALUES (1, 1, 'file:///1.gguf', 'aa', 7, 'starter', '{\"seed\": 7}', :at)",
            "INSERT INTO versions VALUES (1, 2, 'file:///2.gguf', 'bb', 8, 'starter', '{}', :at)",
            "INSERT INTO versions VALUES (2, 1, 'file:///a', 'aa', 9, 'run', '{}', :at)",
            "INSERT INTO aliases VALUES (1, 'mermaid_erd', 'champion', 2, :at)",
            "INSERT INTO routes VALUES ('default', 'mermaid_erd', "
            f'\'{{"artifact_type": "mermaid_erd", "model": "{MODEL}", "reading": "passages"}}\', \'default\', :at)',
            "INSERT INTO audit (tenant, occurred_at, actor, action, subject, detail) VALUES "
            "('default', :at, 'ada', 'routed', 'route:mermaid_erd', '{}')",
        ):
            await connection.execute(
                sa.text(statement).bindparams(NOW_IS) if ":at" in statement else sa.text(statement)
            )
    await database.aclose()
    return database_url


async def test_what_was_registered_before_is_still_there_and_can_be_trained(old: str) -> None:
    async with bare(old, LoopPolicy()) as registry:
        assert await differences(registry.database, ChassisTable.metadata, RegistryTable.metadata) == []
        answers = Answers(registry.database, LoopPolicy())
        starter, other = (await answers.list_models(ListModels())).models
        assert (starter.name, other.name) == (MODEL, "ollama:a")
        assert [
            (each.version, each.uri, each.sha256, each.aliases, each.state) for each in starter.versions
        ] == [
            (1, "file:///1.gguf", "aa", (), "retired"),
            (2, "file:///2.gguf", "bb", ("champion",), "champion"),
        ]
        assert (starter.versions[0].provenance, starter.versions[0].created_at) == ({"seed": 7}, THEN)
        route = (await answers.list_routes(ListRoutes())).routes[ERD]
        assert (route.version, route.model_uri) == (2, "file:///2.gguf")
        (reign,) = await registry.rows(ReignRow)
        assert (reign.version, reign.began_at, reign.ended_at) == (2, THEN, None)
        planned = await registry.planning.plan(PlanVersion(run_id=new_id("job"), artifact_type=ERD))
        assert (planned.version, planned.base.version, planned.reading) == (3, 2, "passages")
        (new,) = [row for row in await registry.rows(VersionRow) if row.version == 3]
        assert new.reading == "passages"
        assert [row.actor for row in await registry.rows(AuditRow)] == ["ada", "hone-trainer"]
