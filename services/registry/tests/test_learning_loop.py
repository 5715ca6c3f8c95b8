"""From a planned version to its place, on a real nats-server, on SQLite and on PostgreSQL."""

import json
from functools import partial

import pytest
from loops import ERD, Loop, completed, deployed, evaluated, pairs, prompt
from running import until

from hone_chassis import RemoteError, rpc
from hone_chassis.loop_policy import LoopPolicy
from hone_contracts.artifacts import ArtifactType
from hone_contracts.deployment import DeploymentFailed
from hone_contracts.errors import ErrorBody
from hone_contracts.evaluation import EvaluateVersions, EvaluationFailed, VersionJudged
from hone_contracts.ids import new_id, uuid7
from hone_contracts.job_messages import JobCancelled
from hone_contracts.registry import (
    ApplyRoutes,
    PromptVersion,
    Route,
    RouteChanged,
    RoutesApplied,
    ServedVersion,
    ShowModel,
)
from hone_contracts.registry import Model as ShownModel
from hone_contracts.training import TrainingFailed
from hone_registry import starter
from hone_registry.tables import EvaluationRow, ModelRow, RouteRow, VersionRow

LLAMA = "ollama:llama3.1:8b"
at_once = pytest.mark.parametrize("policy", [LoopPolicy(canary_share=0)], ids=["all"])
"""Without a canary's share before."""


async def apply(loop: Loop, text: str) -> None:
    client = loop.service.running.client
    await rpc.ask(client, ApplyRoutes.subject, ApplyRoutes(text=text), RoutesApplied, timeout_s=30)


async def route_on_the_broker(loop: Loop, key: str = ERD) -> Route:
    bucket = await loop.service.running.jetstream.key_value("hone_routes")
    return Route.model_validate_json((await bucket.get(key)).value or b"")


async def types_on_the_broker(loop: Loop) -> list[str]:
    return await (await loop.service.running.jetstream.key_value("hone_routes")).keys()


async def test_a_run_gets_the_next_number_of_its_routes_model_and_the_champion_to_beat(loop: Loop) -> None:
    run, planned = await loop.plan()
    assert (planned.model, planned.reading, planned.version) == (starter.NAME, "passages", 2)
    assert planned.name.startswith("v2_2")
    (champion,) = [each for each in await loop.rows(VersionRow) if each.state == "champion"]
    assert planned.base == ServedVersion(version=1, model_uri=champion.uri, model_sha256=champion.sha256)
    assert (await loop.plan(run))[1] == planned
    _, other = await loop.plan()
    assert other.version == 3
    assert (await loop.version(run)).state == "planned"


async def test_a_model_that_the_registry_does_not_keep_is_its_own_version_1(loop: Loop) -> None:
    await apply(loop, f"mermaid_erd: {{model: {LLAMA!r}, reading: passages_schema}}")
    _, planned = await loop.plan()
    assert (planned.model, planned.reading, planned.version) == (LLAMA, "passages_schema", 2)
    itself = ServedVersion(version=1, served_by=LLAMA)
    assert planned.base == itself
    _, of_another_type = await loop.plan(artifact_type=ArtifactType.OPENAPI, model=LLAMA)
    assert (of_another_type.version, of_another_type.base) == (3, itself)


async def test_without_a_route_there_is_nothing_to_train_and_it_says_so(loop: Loop) -> None:
    with pytest.raises(RemoteError) as caught:
        await loop.plan(artifact_type=ArtifactType.USER_STORIES)
    assert (caught.value.body.code, caught.value.body.status) == ("no_route", 404)
    with pytest.raises(RemoteError) as caught:
        await loop.plan(model="llamacpp:unheard-of")
    assert starter.NAME in caught.value.body.detail
    with pytest.raises(RemoteError) as caught:
        await loop.plan(model="no model")
    assert caught.value.body.status == 422
    assert len(await loop.rows(ModelRow)) == 1


async def test_a_proven_version_answers_a_share_of_the_requests(loop: Loop) -> None:
    run, planned = await loop.plan()
    told = await evaluated(loop, run, planned, 0.2)
    assert (told.verdict, told.version, told.name) == ("canary", 2, planned.name)
    assert told.figures["quality"]["low"] > 0
    assert any("held-out prompts" in reason for reason in told.reasons)
    assert await loop.aliases() == {"champion": 1, "canary": 2}
    route = await until(lambda: route_on_the_broker(loop), lambda route: route.canary is not None)
    assert route.version == 1
    assert route.canary is not None
    assert (route.canary.version, route.canary.share) == (2, 0.1)
    assert route.canary.prompt == prompt(planned.name)
    (changed,) = await loop.told(RouteChanged, run)
    assert changed.route == route
    (row,) = await loop.rows(EvaluationRow)
    assert (row.champion, row.challenger, row.verdict, len(row.pairs)) == (1, 2, "canary", 12)


@at_once
async def test_without_a_canarys_share_it_is_champion_at_once(loop: Loop) -> None:
    run, planned = await loop.plan()
    told = await evaluated(loop, run, planned, 0.2)
    assert told.verdict == "promoted"
    assert await loop.reigns() == [(1, False), (2, True)]
    states = {each.version: each.state for each in await loop.rows(VersionRow)}
    assert states == {1: "retired", 2: "champion"}
    route = await until(lambda: route_on_the_broker(loop), lambda route: route.version == 2)
    assert route.prompt == prompt(planned.name)


@pytest.mark.parametrize(("gain", "verdict"), [(0.0, "challenger"), (-0.3, "rejected")])
async def test_one_that_is_not_better_changes_no_route(loop: Loop, gain: float, verdict: str) -> None:
    run, planned = await loop.plan()
    told = await evaluated(loop, run, planned, gain - 0.005)
    assert told.verdict == verdict
    assert await loop.champion() == 1
    assert await loop.told(RouteChanged, run) == []
    version = await loop.version(run)
    assert version.state == verdict
    assert "held-out prompts" in version.reason
    assert ((await loop.aliases()).get("challenger") == 2) == (verdict == "challenger")


async def test_what_a_version_is_made_of_is_kept(loop: Loop) -> None:
    run, planned = await loop.plan()
    await evaluated(loop, run, planned, 0.2)
    question = ShowModel(name=starter.NAME)
    shown = await rpc.ask(loop.service.running.client, ShowModel.subject, question, ShownModel)
    first, second = shown.versions
    assert (first.aliases, first.state) == (("champion",), "champion")
    assert (second.aliases, second.state, second.method) == (("canary",), "canary", "few_shot")
    assert (second.base_version, second.run_id, second.artifact_type) == (1, run, ERD)
    assert (second.dataset_digest, second.code_version) == ("d" * 64, "0.1.0")
    assert (second.parameters, second.proof) == ({"examples": 8}, {"answer": "erDiagram"})


async def test_whatever_comes_twice_has_its_effect_once(loop: Loop) -> None:
    run, planned = await loop.plan()
    message = deployed(run, planned)
    await loop.send(message)
    (asked,) = await until(lambda: loop.told(EvaluateVersions, run))
    done = completed(asked, pairs(0.2))
    await loop.send(done)
    await until(lambda: loop.told(VersionJudged, run))
    actions = await loop.actions()
    await loop.again(message)
    await loop.again(done)
    await loop.again(message.model_copy(update={"message_id": uuid7()}))
    await loop.again(done.model_copy(update={"message_id": uuid7()}))
    later, planned_later = await loop.plan()
    await evaluated(loop, later, planned_later, -0.005)
    assert len(await loop.told(EvaluateVersions, run)) == len(await loop.told(VersionJudged, run)) == 1
    assert (await loop.actions())[: len(actions) + 1] == [*actions, "planned"]


@at_once
async def test_of_two_runs_at_once_the_later_is_compared_with_the_champion_that_came(loop: Loop) -> None:
    first, first_plan = await loop.plan()
    second, second_plan = await loop.plan()
    await loop.send(deployed(first, first_plan), deployed(second, second_plan))
    (asked_first,) = await until(lambda: loop.told(EvaluateVersions, first))
    (asked_second,) = await until(lambda: loop.told(EvaluateVersions, second))
    assert asked_first.champion.version == asked_second.champion.version == 1
    await loop.send(completed(asked_first, pairs(0.2)))
    await until(lambda: loop.told(VersionJudged, first))
    assert await loop.champion() == first_plan.version
    await loop.send(completed(asked_second, pairs(0.2)))
    asked_again = (await until(lambda: loop.told(EvaluateVersions, second), lambda told: len(told) == 2))[1]
    assert asked_again.champion.version == first_plan.version
    await loop.send(completed(asked_again, pairs(-0.005)))
    (told,) = await until(lambda: loop.told(VersionJudged, second))
    assert told.verdict == "challenger"


async def test_a_better_canary_takes_the_place_of_the_one_before(loop: Loop) -> None:
    (first, first_plan), (second, second_plan) = await loop.plan(), await loop.plan()
    await evaluated(loop, first, first_plan, 0.2)
    await evaluated(loop, second, second_plan, 0.2)
    assert (await loop.aliases())["canary"] == second_plan.version
    told = await until(lambda: loop.told(VersionJudged, first), lambda told: len(told) == 2)
    assert [each.verdict for each in told] == ["canary", "superseded"]


async def test_a_failed_or_cancelled_run_gives_up_its_version_but_not_its_number(loop: Loop) -> None:
    error = ErrorBody(code="oom", title="Out of memory", detail="the card is full")
    (one, _), (two, _), (three, _) = await loop.plan(), await loop.plan(), await loop.plan()
    await loop.send(
        TrainingFailed(correlation_id=one, artifact_type=ERD, method="full", error=error),
        DeploymentFailed(correlation_id=two, artifact_type=ERD, error=error),
        JobCancelled(correlation_id=three),
    )
    for run in (one, two, three):
        await until(partial(loop.version, run), lambda row: row.state == "failed")
    assert "the card is full" in (await loop.version(one)).reason
    assert (await loop.plan())[1].version == 5


async def test_after_its_run_was_cancelled_a_version_is_not_promoted(loop: Loop) -> None:
    run, planned = await loop.plan()
    await loop.send(deployed(run, planned))
    (asked,) = await until(lambda: loop.told(EvaluateVersions, run))
    await loop.send(JobCancelled(correlation_id=run))
    await until(lambda: loop.version(run), lambda row: row.state == "challenger")
    await loop.send(completed(asked, pairs(0.3)))
    other, planned_other = await loop.plan()
    await evaluated(loop, other, planned_other, 0.3)
    assert await loop.told(VersionJudged, run) == []
    assert (await loop.aliases())["canary"] == planned_other.version


async def test_after_a_failed_evaluation_it_stays_beside_the_champion(loop: Loop) -> None:
    run, planned = await loop.plan()
    await loop.send(deployed(run, planned))
    (asked,) = await until(lambda: loop.told(EvaluateVersions, run))
    error = ErrorBody(code="gone", title="No prompts", detail="the held-out file is gone")
    await loop.send(
        EvaluationFailed.caused_by(
            asked, artifact_type=ERD, model=asked.model, challenger=asked.challenger.version, error=error
        )
    )
    row = await until(lambda: loop.version(run), lambda row: row.state == "challenger")
    assert "the held-out file is gone" in row.reason


async def test_a_run_that_the_registry_knows_nothing_of_is_registered_if_its_number_is_free(
    loop: Loop,
) -> None:
    _, planned = await loop.plan()
    stranger, late = new_id("job"), new_id("job")
    told = await evaluated(
        loop, stranger, planned.model_copy(update={"version": 7, "name": "v7_20261125T120000"}), 0.2
    )
    assert (told.verdict, told.version) == ("canary", 7)
    await loop.send(deployed(late, planned))
    (refused,) = await until(lambda: loop.told(VersionJudged, late))
    assert (refused.verdict, refused.version) == ("superseded", planned.version)
    assert (await loop.plan())[1].version == 8


@at_once
async def test_examples_of_one_type_stand_before_no_other_types_questions_but_weights_serve_all(
    loop: Loop,
) -> None:
    run, planned = await loop.plan()
    await evaluated(loop, run, planned, 0.2)
    routes = (await loop.routes()).routes
    assert {key: route.version for key, route in routes.items()}["sql_ddl"] == 1
    assert routes[ERD].version == planned.version
    run, planned = await loop.plan()
    weights = ServedVersion(version=planned.version, model_uri="file:///v3.gguf", model_sha256="e" * 64)
    await evaluated(loop, run, planned, 0.2, method="full", served=weights, uri="file:///v3.gguf")
    routes = (await loop.routes()).routes
    assert {route.version for route in routes.values()} == {planned.version}
    assert {route.model_uri for route in routes.values()} == {"file:///v3.gguf"}


async def test_a_type_that_goes_by_the_default_route_has_its_own_versions(loop: Loop) -> None:
    await apply(loop, f"default: {{model: {LLAMA!r}}}")
    run, planned = await loop.plan(artifact_type=ArtifactType.USER_STORIES)
    assert planned.model == LLAMA
    await evaluated(loop, run, planned, 0.2, artifact_type=ArtifactType.USER_STORIES)
    await until(lambda: types_on_the_broker(loop), lambda types: "user_stories" in types)
    route = await route_on_the_broker(loop, "user_stories")
    assert route.canary is not None
    assert (route.model, route.canary.version) == (LLAMA, 2)
    assert (await route_on_the_broker(loop, "default")).canary is None
    told = (await loop.routes()).routes["user_stories"].canary
    assert told is not None
    assert told.prompt == PromptVersion(reading="whole", turns=())  # people are not told of all turns


async def test_what_routes_resolve_to_is_not_kept_with_them(loop: Loop) -> None:
    run, planned = await loop.plan()
    await evaluated(loop, run, planned, 0.2)
    await apply(loop, "mermaid_erd: {threshold: 70}")
    kept = json.dumps([row.settings for row in await loop.rows(RouteRow)])
    assert not [word for word in ("canary", "prompt", "served_by", "model_uri", '"version"') if word in kept]
    assert (await loop.routes()).routes[ERD].canary is not None


async def test_examples_that_no_route_can_hold_are_refused(loop: Loop) -> None:
    run, planned = await loop.plan()
    served = ServedVersion(version=planned.version, prompt=prompt("x" * 400_000))
    await loop.send(deployed(run, planned, served=served))
    (told,) = await until(lambda: loop.told(VersionJudged, run))
    assert told.verdict == "rejected"
    assert "300000" in told.reasons[0]
    assert await loop.aliases() == {"champion": 1}
