"""Versions at work: a canary proves itself or fails, and a champion that turns bad is taken back."""

import pytest
from loops import MODEL, Loop, answer, evaluated, word
from running import until

from hone_chassis import rpc
from hone_chassis.loop_policy import LoopPolicy
from hone_contracts.artifacts import ArtifactType
from hone_contracts.evaluation import VersionJudged
from hone_contracts.generation import ArtifactGenerated
from hone_contracts.ids import uuid7
from hone_contracts.registry import Model, RouteChanged, ServedVersion, ShowModel
from hone_registry.live_tables import LiveRow, VerdictRow, WatchRow
from hone_registry.tables import AuditRow, VersionRow

SQL = ArtifactType.SQL_DDL
AT_ONCE = pytest.mark.parametrize("policy", [LoopPolicy(canary_share=0)], ids=["all"])


async def figures(loop: Loop, version: int) -> LiveRow | None:
    return next((row for row in await loop.rows(LiveRow) if row.version == version), None)


async def answers(loop: Loop, version: int, *scores: int | None) -> None:
    """And wait until they count."""
    before = await figures(loop, version)
    expected = (before.answers if before else 0) + len(scores)
    await loop.send(*(answer(version, score) for score in scores))
    await until(lambda: figures(loop, version), lambda row: row is not None and row.answers >= expected)


async def words(loop: Loop, version: int, *said: tuple[str, float]) -> None:
    before = await figures(loop, version)
    expected = (before.verdicts if before else 0) + len(said)
    await loop.send(*(word(version, reward, user) for user, reward in said))
    await until(lambda: figures(loop, version), lambda row: row is not None and row.verdicts >= expected)


async def promoted(loop: Loop) -> str:
    """Version 2 is champion, after 40 good answers of version 1."""
    await answers(loop, 1, *([84, 88, 86, 90] * 10))
    run, planned = await loop.plan()
    told = await evaluated(loop, run, planned, 0.2)
    assert told.verdict == "promoted"
    return run


async def test_a_canary_that_is_not_worse_becomes_champion_after_enough_answers(loop: Loop) -> None:
    await answers(loop, 1, *([84, 88] * 10))
    run, planned = await loop.plan()
    await evaluated(loop, run, planned, 0.2)
    await answers(loop, 2, *([90, 86] * 9))
    assert await loop.champion() == 1
    await answers(loop, 2, 90, 88)
    told = await until(lambda: loop.told(VersionJudged, run), lambda told: len(told) == 2)
    assert [each.verdict for each in told] == ["canary", "promoted"]
    assert told[1].figures["answers"] == 20
    assert await loop.aliases() == {"champion": 2}
    changed = await loop.told(RouteChanged)
    assert (changed[-1].route.version, changed[-1].route.canary) == (2, None)


async def test_a_canary_that_fails_at_work_is_rejected(loop: Loop) -> None:
    await answers(loop, 1, *([84, 88, 90] * 20))
    run, planned = await loop.plan()
    await evaluated(loop, run, planned, 0.2)
    await answers(loop, 2, *([20, None] * 15))
    told = await until(lambda: loop.told(VersionJudged, run), lambda told: len(told) == 2)
    assert told[1].verdict == "rejected"
    assert "worse than version 1" in told[1].reasons[0]
    assert await loop.aliases() == {"champion": 1}
    assert await loop.rows(WatchRow) == []


@AT_ONCE
async def test_a_champion_that_turns_bad_is_taken_back_at_once_and_everyone_can_see_why(loop: Loop) -> None:
    run = await promoted(loop)
    await answers(loop, 2, *([90, 86] * 10))
    assert await loop.champion() == 2
    await answers(loop, 2, *([30, 20] * 20))
    told = await until(lambda: loop.told(VersionJudged, run), lambda told: len(told) == 2)
    assert (told[1].verdict, told[1].version) == ("rolled_back", 2)
    assert "validators" in told[1].reasons[1]
    assert await loop.reigns() == [(1, False), (2, False), (1, True)]
    states = {row.version: row.state for row in await loop.rows(VersionRow)}
    assert states == {1: "champion", 2: "rolled_back"}
    assert (await loop.told(RouteChanged))[-1].route.version == 1
    (trace,) = [row for row in await loop.rows(AuditRow) if row.action == "rolled back"]
    assert trace.subject == f"model:{MODEL}@1"
    assert trace.detail["figures"]["streams"]["answers"]["lately"] < 0.8


@AT_ONCE
async def test_a_champion_that_several_people_find_worse_is_taken_back(loop: Loop) -> None:
    await words(loop, 1, *[(f"user{place % 4}", 0.8) for place in range(24)])
    run = await promoted(loop)
    await words(loop, 2, *[(f"user{place % 4}", -0.7) for place in range(24)])
    told = await until(lambda: loop.told(VersionJudged, run), lambda told: len(told) == 2)
    assert told[1].verdict == "rolled_back"
    assert "people" in told[1].reasons[1]
    assert await loop.champion() == 1


@AT_ONCE
async def test_a_flood_from_one_person_does_not_take_a_good_champion_back(loop: Loop) -> None:
    await words(loop, 1, *[(f"user{place % 4}", 0.8) for place in range(24)])
    run = await promoted(loop)
    await words(loop, 2, *[(f"flooder/{place}", -1.0) for place in range(150)])
    await words(loop, 2, *[(f"user{place % 4}", 0.8) for place in range(8)])
    await answers(loop, 2, *([90, 86] * 10))
    assert await loop.champion() == 2
    assert len(await loop.told(VersionJudged, run)) == 1


@AT_ONCE
async def test_the_last_word_of_a_person_about_an_artifact_is_the_one_that_counts(loop: Loop) -> None:
    await promoted(loop)
    said = word(2, -1.0, "ada")
    mended = word(2, 1.0, "ada", supersedes=said.feedback_id)
    await loop.send(said, mended, word(2, 0.0, "bob", supersedes=said.feedback_id))
    row = await until(lambda: figures(loop, 2), lambda row: row is not None and row.verdicts == 2)
    assert row is not None
    assert (row.verdicts_total, row.verdicts_squares) == (1.5, 1.25)
    late = word(2, -1.0, "eve")
    await loop.send(word(2, 0.5, "eve", supersedes=late.feedback_id))
    await until(lambda: figures(loop, 2), lambda row: row is not None and row.verdicts == 3)
    await loop.send(late, word(2, 0.5, "kim"))
    row = await until(lambda: figures(loop, 2), lambda row: row is not None and row.verdicts == 4)
    assert row is not None
    assert row.verdicts_total == 3.0
    question = ShowModel(name=MODEL)
    shown = await rpc.ask(loop.service.running.client, ShowModel.subject, question, Model)
    told = shown.versions[1].live["mermaid_erd"]
    assert told == {"answers": 0, "verdicts": 4, "verdict": 0.75, "quality": 0.75}
    told = shown.versions[0].live["mermaid_erd"]
    assert told == {"answers": 40, "verdicts": 0, "score": 0.87, "quality": 0.87}
    assert {each.person for each in await loop.rows(VerdictRow) if each.model_id} == {
        "ada",
        "bob",
        "eve",
        "kim",
    }


async def test_what_is_not_a_versions_own_first_answer_does_not_count(loop: Loop) -> None:
    await loop.send(
        answer(None, 10),
        answer(7, 10),
        answer(1, None, error_code="unavailable"),
        word(7, -1, "ada"),
        word(1, -1, "ada", source="import"),
    )
    message = answer(1, 90)
    await loop.send(message)
    await until(lambda: figures(loop, 1))
    await loop.again(message)
    await loop.again(message.model_copy(update={"message_id": uuid7(), "occurred_at": message.occurred_at}))
    await loop.send(answer(1, None))
    row = await until(lambda: figures(loop, 1), lambda row: row is not None and row.answers == 3)
    assert row is not None
    assert (row.answers_total, row.verdicts) == (1.8, 0)


@pytest.mark.parametrize("policy", [LoopPolicy(canary_max_age_s=0.001)], ids=["soon"])
async def test_a_canary_that_nobody_asks_is_a_challenger_again(loop: Loop) -> None:
    run, planned = await loop.plan()
    await evaluated(loop, run, planned, 0.2)
    await answers(loop, 2, 90)
    told = await until(lambda: loop.told(VersionJudged, run), lambda told: len(told) == 2)
    assert told[1].verdict == "challenger"
    assert await loop.aliases() == {"champion": 1, "challenger": 2}


@AT_ONCE
async def test_a_type_that_goes_by_anothers_champion_goes_back_alone(loop: Loop) -> None:
    of_sql = [answer(1, score) for score in [84, 88, 86, 90] * 10]
    await loop.send(*(as_sql(each) for each in of_sql))
    await answers(loop, 1, *([84, 88, 86, 90] * 10))
    run, planned = await loop.plan()
    weights = ServedVersion(version=2, model_uri="file:///v2.gguf", model_sha256="e" * 64)
    await evaluated(loop, run, planned, 0.2, method="full", served=weights, uri="file:///v2.gguf")
    await loop.send(*(as_sql(answer(2, score)) for score in [30, 20] * 20))
    told = await until(lambda: loop.told(VersionJudged, run), lambda told: len(told) == 2)
    assert (told[1].verdict, told[1].artifact_type) == ("rolled_back", SQL)
    routes = (await loop.routes()).routes
    assert (routes["sql_ddl"].version, routes["mermaid_erd"].version, routes["openapi"].version) == (1, 2, 2)


def as_sql(message: ArtifactGenerated) -> ArtifactGenerated:
    return message.model_copy(update={"artifact": message.artifact.model_copy(update={"type": SQL})})
