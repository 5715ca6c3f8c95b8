"""Promoting and rolling back by hand, and what can be looked up afterwards. On both databases."""

from typing import Any

import pytest
import sqlalchemy as sa
from loops import ERD, MODEL, Loop, deployed, evaluated
from running import until
from sqlalchemy.exc import DBAPIError

from hone_chassis import RemoteError, rpc
from hone_contracts.artifacts import ArtifactType
from hone_contracts.evaluation import EvaluateVersions, VersionJudged
from hone_contracts.registry import (
    AliasMoved,
    AuditTrail,
    Evaluations,
    ListAudit,
    ListEvaluations,
    PromoteVersion,
    RollBack,
    Route,
)
from hone_registry.tables import VersionRow


async def promote(loop: Loop, version: str, **fields: Any) -> AliasMoved:
    question = PromoteVersion(name=MODEL, version=version, actor="ada", **fields)
    return await rpc.ask(
        loop.service.running.client, PromoteVersion.subject, question, AliasMoved, timeout_s=30
    )


async def roll_back(loop: Loop, **fields: Any) -> AliasMoved:
    question = RollBack(name=MODEL, actor="bob", **fields)
    return await rpc.ask(loop.service.running.client, RollBack.subject, question, AliasMoved, timeout_s=30)


async def on_the_broker(loop: Loop) -> int:
    bucket = await loop.service.running.jetstream.key_value("hone_routes")
    return Route.model_validate_json((await bucket.get(ERD)).value or b"").version


async def deployed_version(loop: Loop) -> str:
    run, planned = await loop.plan()
    await loop.send(deployed(run, planned))
    await until(lambda: loop.told(EvaluateVersions, run))
    return planned.name


async def test_once_it_is_answered_the_version_answers_on_the_broker_too(loop: Loop) -> None:
    name = await deployed_version(loop)
    moved = await promote(loop, name)
    assert (moved.champion, moved.champion_name, moved.was, moved.artifact_type) == (2, name, 1, ERD)
    assert await on_the_broker(loop) == 2
    moved = await roll_back(loop, reason="customers complain")
    assert (moved.champion, moved.was) == (1, 2)
    assert "customers complain" in moved.reasons
    assert await on_the_broker(loop) == 1
    assert [each.verdict for each in await loop.told(VersionJudged)] == ["promoted", "rolled_back"]


async def test_each_of_the_last_five_champions_can_be_gone_back_to(loop: Loop) -> None:
    names = [await deployed_version(loop) for _ in range(7)]
    for name in names:
        await promote(loop, name)
    with pytest.raises(RemoteError) as caught:
        await roll_back(loop, to=names[0])
    assert caught.value.body.fields["possible"] == names[5:0:-1]
    assert (await roll_back(loop, to=names[1])).champion_name == names[1]
    assert (await roll_back(loop)).champion_name == names[5]
    assert (await roll_back(loop)).champion_name == names[4]


async def test_what_was_taken_back_is_champion_again_only_by_its_name(loop: Loop) -> None:
    name = await deployed_version(loop)
    await promote(loop, name)
    await roll_back(loop)
    with pytest.raises(RemoteError) as caught:
        await roll_back(loop)
    assert (caught.value.body.code, caught.value.body.status) == ("nothing_to_roll_back_to", 409)
    assert name in caught.value.body.detail
    assert (await roll_back(loop, to=name)).champion == 2


async def test_without_an_earlier_champion_it_says_so(loop: Loop) -> None:
    with pytest.raises(RemoteError) as caught:
        await roll_back(loop)
    assert "no earlier champion" in caught.value.body.detail
    with pytest.raises(RemoteError) as caught:
        await roll_back(loop, artifact_type=ArtifactType.OPENAPI)
    assert caught.value.body.status == 409


async def test_what_nothing_serves_cannot_be_promoted(loop: Loop) -> None:
    await loop.plan()
    with pytest.raises(RemoteError) as caught:
        await promote(loop, "2")
    assert caught.value.body.code == "not_deployed"
    with pytest.raises(RemoteError) as caught:
        await promote(loop, "v9_20200101T000000")
    assert (caught.value.body.code, caught.value.body.status) == ("no_such_version", 404)


async def test_a_rejected_version_can_be_promoted_by_hand_and_a_canary_then_answers_nobody(
    loop: Loop,
) -> None:
    run, planned = await loop.plan()
    await evaluated(loop, run, planned, -0.4)
    other, planned_other = await loop.plan()
    await evaluated(loop, other, planned_other, 0.2)
    await promote(loop, planned.name)
    assert await loop.aliases() == {"champion": 2, "challenger": 3}
    states = {row.version: row.state for row in await loop.rows(VersionRow)}
    assert states == {1: "retired", 2: "champion", 3: "challenger"}


async def test_of_a_type_that_goes_by_anothers_champion_its_own_is_made(loop: Loop) -> None:
    name = await deployed_version(loop)
    moved = await promote(loop, name, artifact_type=ArtifactType.SQL_DDL)
    assert (moved.was, moved.artifact_type) == (1, ArtifactType.SQL_DDL)
    routes = (await loop.routes()).routes
    assert (routes["sql_ddl"].version, routes[ERD].version) == (2, 1)
    assert (await roll_back(loop, artifact_type=ArtifactType.SQL_DDL)).champion == 1


async def test_evaluations_and_the_trail_can_be_looked_up(loop: Loop) -> None:
    run, planned = await loop.plan()
    told = await evaluated(loop, run, planned, 0.2)
    await promote(loop, "v2")
    client = loop.service.running.client
    found = await rpc.ask(
        client, ListEvaluations.subject, ListEvaluations(name=MODEL, version=planned.name), Evaluations
    )
    (evaluation,) = found.evaluations
    assert (evaluation.champion, evaluation.challenger, evaluation.run_id) == (1, 2, run)
    assert (evaluation.verdict, evaluation.reasons) == ("canary", told.reasons)
    assert evaluation.figures == told.figures
    trail = await rpc.ask(client, ListAudit.subject, ListAudit(subject_prefix=f"model:{MODEL}@2"), AuditTrail)
    assert [(each.action, each.actor) for each in trail.entries] == [
        ("promoted", "ada"), ("made canary", "hone-registry"), ("made challenger", "hone-registry"),
        ("registered", "hone-registry"), ("planned", "hone-trainer"),
    ]  # fmt: skip
    older = ListAudit(before=trail.entries[0].id, limit=1, subject_prefix="model:")
    (entry,) = (await rpc.ask(client, ListAudit.subject, older, AuditTrail)).entries
    assert entry == trail.entries[1]
    nothing = ListAudit(subject_prefix="model:%")
    assert (await rpc.ask(client, ListAudit.subject, nothing, AuditTrail)).entries == ()


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE audit SET actor = 'nobody'",
        "DELETE FROM audit",
        "INSERT OR REPLACE INTO audit SELECT * FROM audit WHERE id = 1",
        "TRUNCATE audit",
    ],
)
async def test_the_database_refuses_to_change_the_trail(loop: Loop, statement: str) -> None:
    is_sqlite = loop.service.database.is_sqlite
    if ("REPLACE" in statement and not is_sqlite) or ("TRUNCATE" in statement and is_sqlite):
        pytest.skip("this database has no such statement")
    before = await loop.actions()
    with pytest.raises(DBAPIError, match="append-only"):
        async with loop.service.database.write() as session:
            await (await session.connection()).execute(sa.text(statement))
    assert await loop.actions() == before
