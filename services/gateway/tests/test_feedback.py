"""What a person says of an artifact: worth a reward, told once with all that can be learned from it."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx
import pytest
from judging import BETTER, Generator, told
from playing import Gateway, generated, next_command, publish, running, settings
from sqlalchemy import delete
from test_other_services import answered
from test_requests import is_problem

from hone_chassis.loop_policy import LoopPolicy
from hone_contracts.artifacts import Evidence
from hone_contracts.reward import reward
from hone_contracts.validation import ValidateArtifact
from hone_gateway.keys import Keys
from hone_gateway.tables import RequestRow

ANSWER = "erDiagram\n  Member ||--o{ Loan : has\n"


async def give(gateway: Gateway, artifact: str, **said: Any) -> httpx.Response:
    headers = {"Idempotency-Key": key} if (key := said.pop("key", None)) else {}
    return await gateway.http.post(f"/api/artifacts/{artifact}/feedback", json=said, headers=headers)


async def given(gateway: Gateway, artifact: str, **said: Any) -> dict[str, Any]:
    response = await give(gateway, artifact, **said)
    assert response.status_code == 201, response.text
    document: dict[str, Any] = response.json()
    return document


async def listed(gateway: Gateway, artifact: str) -> list[dict[str, Any]]:
    response = await gateway.http.get(f"/api/artifacts/{artifact}/feedback")
    assert response.status_code == 200, response.text
    found: list[dict[str, Any]] = response.json()["feedback"]
    return found


async def test_praise_is_kept_and_told_with_all_that_can_be_learned_from_it(gateway: Gateway) -> None:
    response = await gateway.post(
        {
            "type": "mermaid_erd",
            "requirements": "A member has many loans.",
            "context_text": "Member, Loan",
            "options": {"dialect": "sqlite"},
        }
    )
    event = generated(await next_command(gateway.jetstream))
    artifact = event.artifact.model_copy(update={"score": 90, "version": 3})
    await publish(gateway.jetstream, event.model_copy(update={"artifact": artifact}))
    await gateway.job_in(response.json()["job_id"], "succeeded")

    answer = await give(gateway, artifact.artifact_id, thumb="up", comment="Just right.")
    assert answer.status_code == 201
    assert answer.headers["location"] == f"/api/artifacts/{artifact.artifact_id}/feedback"
    document = answer.json()
    assert document.pop("created_at").endswith("+00:00")
    assert document == {
        "id": document["id"],
        "artifact_id": artifact.artifact_id,
        "user": "bootstrap",
        "thumb": "up",
        "score": None,
        "comment": "Just right.",
        "correction": None,
        "reward": pytest.approx(reward(90, "up"), abs=1e-4),
        "learned": True,
        "not_learned": None,
        "supersedes": None,
        "superseded_by": None,
    }
    [said] = await told(gateway)
    assert (said.feedback_id, said.correlation_id) == (document["id"], response.json()["job_id"])
    assert (said.model, said.version, said.validators_score) == ("llamacpp:hone-starter", 3, 90)
    assert said.reward == pytest.approx(reward(90, "up"))
    assert said.answered is not None
    assert said.answered.model_dump(mode="json") == {
        "artifact_id": artifact.artifact_id,
        "artifact_type": "mermaid_erd",
        "requirements": "A member has many loans.",
        "context_text": "Member, Loan",
        "options": {"dialect": "sqlite"},
        "content": ANSWER,
        "evidence": [{"element": "entity:Member", "text": "A member has many loans."}],
        "score": 90,
        "model": "llamacpp:hone-starter",
        "version": 3,
    }
    [shown] = await listed(gateway, artifact.artifact_id)
    assert {**shown, "created_at": None} == {**document, "created_at": None}


async def test_a_correction_is_judged_like_an_answer_and_kept_with_its_score(gateway: Gateway) -> None:
    artifact = await gateway.artifact()
    async with Generator().playing(gateway) as generator:
        document = await given(gateway, artifact, correction=BETTER)
    assert document["correction"] == {"content": BETTER, "score": 92, "distance": 0.25}
    assert document["reward"] == pytest.approx(reward(81, distance=0.25), abs=1e-4)
    assert document["learned"]
    [question] = generator.judged
    assert (question.artifact_type, question.requirements) == ("mermaid_erd", "A member has many loans.")
    [comparing] = generator.compared
    assert (comparing.content, comparing.reference) == (ANSWER, BETTER)
    [said] = await told(gateway)
    assert said.correction is not None
    assert (said.correction.content, said.correction.score, said.correction.distance) == (BETTER, 92, 0.25)


async def test_a_correction_that_does_not_parse_is_refused_and_nothing_is_kept(gateway: Gateway) -> None:
    artifact = await gateway.artifact()
    async with Generator().playing(gateway):
        refused = await give(gateway, artifact, correction="erdiagram\n", thumb="down", key="k")
        problem = is_problem(refused, 422, "correction_refused")
        assert problem["messages"] == ["line 1: expected erDiagram"]
        assert "expected erDiagram" in problem["detail"]
        assert await listed(gateway, artifact) == []
        assert await told(gateway) == []
        mended = await give(gateway, artifact, correction=BETTER, thumb="down", key="other")
    assert mended.status_code == 201


async def test_a_correction_waits_for_a_generator_that_is_away(sqlite_gateway: Gateway) -> None:
    gateway = sqlite_gateway
    artifact = await gateway.artifact()
    refused = await give(gateway, artifact, correction=BETTER)
    assert is_problem(refused, 503, "service_unavailable")
    assert int(refused.headers["retry-after"]) >= 1
    generator = Generator()
    async with answered(gateway, ValidateArtifact, generator.validate):  # it cannot compare yet
        is_problem(await give(gateway, artifact, correction=BETTER), 503, "service_unavailable")
    assert await listed(gateway, artifact) == []
    assert (await give(gateway, artifact, thumb="down")).status_code == 201


async def test_an_answer_that_comes_back_unchanged_was_right(sqlite_gateway: Gateway) -> None:
    artifact = await sqlite_gateway.artifact()
    async with Generator().playing(sqlite_gateway) as generator:
        document = await given(sqlite_gateway, artifact, correction=ANSWER.replace("\n", "  \n") + "\n")
        assert (document["thumb"], document["correction"]) == ("up", None)
        for against in ({"thumb": "down"}, {"score": 20}):
            refused = await give(sqlite_gateway, artifact, correction=ANSWER, **against)
            is_problem(refused, 422, "contradiction")
        assert (await given(sqlite_gateway, artifact, correction=ANSWER, score=80))["score"] == 80
    assert generator.judged == []


async def test_a_persons_second_word_takes_the_place_of_the_first(gateway: Gateway) -> None:
    artifact = await gateway.artifact()
    first = await given(gateway, artifact, thumb="down")
    other = await given(gateway, artifact, thumb="down", user="ada")
    second = await given(gateway, artifact, thumb="up")
    assert (second["supersedes"], other["supersedes"]) == (first["id"], None)
    assert other["user"] == "bootstrap/ada"
    shown = {each["id"]: each["superseded_by"] for each in await listed(gateway, artifact)}
    assert shown == {first["id"]: second["id"], other["id"]: None, second["id"]: None}
    assert [each.supersedes for each in await told(gateway)] == [None, None, first["id"]]


async def test_of_words_said_at_the_same_moment_one_counts(gateway: Gateway) -> None:
    artifact, other = await gateway.artifact(), await gateway.artifact()
    saying = [
        given(gateway, chosen, score=number, user=user, **({"key": f"{chosen}{user}{number}"} if number % 3 else {}))
        for number in range(8)
        for chosen in (artifact, other)
        for user in ("ada", "bob")
    ]  # fmt: skip
    said = await asyncio.gather(*saying)
    assert len({each["id"] for each in said}) == 32
    for chosen in (artifact, other):
        for user in ("bootstrap/ada", "bootstrap/bob"):
            words = [each for each in await listed(gateway, chosen) if each["user"] == user]
            [last] = [each for each in words if each["superseded_by"] is None]
            before = {each["id"]: each["supersedes"] for each in words}
            chain: list[str] = []
            while last_id := (last["id"] if not chain else before[chain[-1]]):
                chain.append(last_id)
            assert sorted(chain) == sorted(before), "one chain holds all the words of a person"
    assert len(await told(gateway)) == 32


async def test_the_same_request_again_is_the_same_feedback(gateway: Gateway) -> None:
    artifact = await gateway.artifact()
    async with Generator().playing(gateway) as generator:
        first = await give(gateway, artifact, correction=BETTER, key="k")
    again = await give(gateway, artifact, correction=BETTER, key="k")  # the generator is gone by now
    assert (again.status_code, again.json()) == (201, first.json())
    assert len(generator.judged) == 1
    other = await give(gateway, artifact, correction=ANSWER, key="k")
    is_problem(other, 422, "idempotency_key_reused")
    assert len(await told(gateway)) == 1


@pytest.mark.parametrize(
    ("score", "said", "why"),
    [
        (90, {"thumb": "up"}, None),
        (90, {"score": 70}, None),
        (84, {"thumb": "up"}, "the answer scores 84"),
        (90, {"thumb": "down"}, "no praise"),
        (90, {"score": 60}, "no praise"),
        (90, {"comment": "Hm."}, "no verdict"),
    ],
)
async def test_feedback_says_whether_it_is_learned_from(
    sqlite_gateway: Gateway, score: int, said: dict[str, Any], why: str | None
) -> None:
    document = await given(sqlite_gateway, await sqlite_gateway.artifact(score=score), **said)
    assert document["learned"] == (why is None)
    assert (why or "") in (document["not_learned"] or "")
    assert bool(why) == bool(document["not_learned"])


async def test_a_poor_correction_is_kept_and_not_learned_from(sqlite_gateway: Gateway) -> None:
    artifact = await sqlite_gateway.artifact()
    async with Generator(score=49).playing(sqlite_gateway):
        document = await given(sqlite_gateway, artifact, correction=BETTER)
    assert "scores 49" in document["not_learned"]


async def test_an_artifact_of_before_requests_were_kept_takes_feedback_that_is_not_learned(
    gateway: Gateway,
) -> None:
    artifact = await gateway.artifact(score=95)
    async with gateway.service.database.write() as session:
        await session.exec(delete(RequestRow))
    document = await given(gateway, artifact, thumb="up")
    assert "before Hone kept that" in document["not_learned"]
    async with Generator().playing(gateway) as generator:
        assert (await give(gateway, artifact, correction=BETTER)).status_code == 201
    assert generator.judged[0].requirements is None
    assert [each.answered for each in await told(gateway)] == [None, None]


async def test_texts_too_long_for_a_message_are_kept_and_the_verdict_is_told(gateway: Gateway) -> None:
    """Escapes count: a text of quotes is twice as long in a message."""
    response = await gateway.post({"type": "mermaid_erd", "requirements": 'The "quoted" one. ' * 11_000})
    event = generated(await next_command(gateway.jetstream))
    evidence = tuple(Evidence(element=f"e{number}", text='"' * 1000) for number in range(100))
    artifact = event.artifact.model_copy(update={"score": 90, "evidence": evidence})
    await publish(gateway.jetstream, event.model_copy(update={"artifact": artifact}))
    await gateway.job_in(response.json()["job_id"], "succeeded")
    long = BETTER + '%% "\n' * 52_000
    async with Generator().playing(gateway) as generator:
        document = await given(gateway, artifact.artifact_id, correction=long)
    assert "too long" in document["not_learned"]
    assert document["correction"]["content"] == long
    assert generator.judged[0].content == long
    [said] = await told(gateway)
    assert (said.answered, said.correction) == (None, None)
    assert said.reward == pytest.approx(document["reward"], abs=1e-4)


async def test_feedback_that_does_not_fit_is_refused_and_leaves_nothing(sqlite_gateway: Gateway) -> None:
    artifact = await sqlite_gateway.artifact()
    cases: list[tuple[Any, str]] = [
        ({}, "body"),
        ({"user": "ada"}, "body"),
        ({"thumb": "sideways"}, "thumb"),
        ({"score": 101}, "score"),
        ({"score": -1}, "score"),
        ({"score": True}, "score"),
        ({"score": "85"}, "score"),
        ({"comment": "x" * 4001}, "comment"),
        ({"comment": " \n"}, "comment"),
        ({"comment": "a\x1b[31m"}, "comment"),
        ({"comment": "a\x00b"}, "comment"),
        ({"correction": ""}, "correction"),
        ({"correction": "a\x00b"}, "correction"),
        ({"correction": "x" * (256 * 1024 + 1)}, "correction"),
        ({"correction": {"content": "x"}}, "correction"),
        ({"thumb": "up", "user": ""}, "user"),
        ({"thumb": "up", "user": "a\nb"}, "user"),
        ({"thumb": "up", "user": "\u202eada"}, "user"),
        ({"thumb": "up", "user": "x" * 101}, "user"),
        ({"thumb": "up", "tumb": "up"}, "tumb"),
        ([], "body"),
    ]
    for body, field in cases:
        response = await sqlite_gateway.http.post(f"/api/artifacts/{artifact}/feedback", json=body)
        assert is_problem(response, 422, "invalid_request")["errors"][0]["field"] == field, body
    for text in (b'{"comment": "\\ud800"}', b'{"score": 1e400}', b'{"score": NaN}', b"[" * 9000, b"\xff"):
        broken = await sqlite_gateway.http.post(f"/api/artifacts/{artifact}/feedback", content=text)
        assert broken.status_code in (400, 422), broken.text
    large = {"correction": "ü" * 255 * 1024}
    response = await sqlite_gateway.http.post(f"/api/artifacts/{artifact}/feedback", json=large)
    assert response.status_code in (413, 503), "too many bytes, or taken to the generator that is not there"
    assert await listed(sqlite_gateway, artifact) == []


async def test_an_artifact_of_another_tenant_is_none(gateway: Gateway) -> None:
    artifact = await gateway.artifact()
    async with running_as_other(gateway) as other:
        path = f"/api/artifacts/{artifact}/feedback"
        for response in (
            await other.post(path, json={"thumb": "up"}),
            await other.post(path, json={"thumb": "up"}, headers={"Idempotency-Key": "k"}),
            await other.post(path, json={"correction": BETTER}),
            await other.get(path),
        ):
            is_problem(response, 404, "no_such_artifact")
    for missing in ("art_none", "%2e%2e", "x" * 3000):
        is_problem(await give(gateway, missing, thumb="up"), 404, "no_such_artifact")
    assert await listed(gateway, artifact) == []
    assert await told(gateway) == []


@asynccontextmanager
async def running_as_other(gateway: Gateway) -> AsyncIterator[httpx.AsyncClient]:
    """A client with a key of another tenant."""
    await Keys(gateway.service.database, 1.0).put("other-key-0123456789", "spy", "others")
    headers = {"Authorization": "Bearer other-key-0123456789"}
    async with httpx.AsyncClient(base_url=gateway.http.base_url, headers=headers, timeout=60) as http:
        yield http


async def test_a_flood_from_one_key_is_refused_and_other_keys_are_heard(
    nats_server: Any, database_url: str
) -> None:
    policy = LoopPolicy(feedback_per_minute=5)
    async with running(settings(nats_server.url, database_url), policy) as gateway:
        artifact = await gateway.artifact()
        answers = await asyncio.gather(*(give(gateway, artifact, thumb="up") for _ in range(12)))
        refused = [each for each in answers if each.status_code == 429]
        assert len(refused) == 7
        is_problem(refused[0], 429, "too_much_feedback")
        assert 1 <= int(refused[0].headers["retry-after"]) <= 12
        made = (await gateway.http.post("/api/keys", json={"name": "ada"})).json()
        mine = {"Authorization": f"Bearer {made['key']}"}
        heard = await gateway.http.post(
            f"/api/artifacts/{artifact}/feedback", json={"thumb": "down"}, headers=mine
        )
        assert (heard.status_code, heard.json()["user"]) == (201, "ada")
        assert len(await told(gateway)) == 6
