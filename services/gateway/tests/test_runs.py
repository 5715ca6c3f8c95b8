"""Training runs are jobs: asked for by hand or begun by a trigger, each ends exactly once, in whatever order one
hears of it."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from functools import partial
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from playing import Gateway, publish
from sqlmodel import select
from test_other_services import answered
from test_requests import is_problem

from hone_chassis.database import Database
from hone_chassis.errors import Permanent
from hone_chassis.handling import run_short
from hone_chassis.migrations import migrate
from hone_chassis.tables import OutboxRow
from hone_contracts.artifacts import ArtifactType
from hone_contracts.deployment import DeploymentFailed
from hone_contracts.errors import ErrorBody
from hone_contracts.evaluation import EvaluationFailed, VersionJudged
from hone_contracts.ids import new_id
from hone_contracts.messages import JobProgressed
from hone_contracts.subjects import progress
from hone_contracts.training import (
    CheckTraining,
    StartTraining,
    TrainingFailed,
    TrainingPossible,
    TrainingStarted,
)
from hone_gateway.app import HEAD
from hone_gateway.jobs.book import JobBook
from hone_gateway.jobs.runs import Runs
from hone_gateway.tables import JobRow

ERD = ArtifactType.MERMAID_ERD
WHY = ErrorBody(code="too_few", title="Too few examples", detail="Three are not enough.")
RUN = {"type": "mermaid_erd", "method": "few_shot", "settings": {"examples": 4, "seed": None}}


def started(job_id: str) -> TrainingStarted:
    return TrainingStarted(
        correlation_id=job_id, artifact_type=ERD, method="few_shot", trigger="examples", examples=50
    )


def judged(job_id: str, verdict: str = "canary", version: int = 2) -> VersionJudged:
    return VersionJudged.model_validate(
        {
            "correlation_id": job_id,
            "artifact_type": ERD,
            "model": "llamacpp:hone-starter",
            "version": version,
            "name": f"v{version}_20260101",
            "verdict": verdict,
            "reasons": ("better beyond doubt",),
            "figures": {"quality": {"difference": 0.2}},
        }
    )


async def check(question: CheckTraining) -> TrainingPossible:
    if question.method == "lora":
        raise Permanent("no_torch", "torch is not installed", "Run `make train-ready`.", 501)
    return TrainingPossible(method=question.method, device="cpu")


async def sent(gateway: Gateway) -> list[StartTraining]:
    query = select(OutboxRow.body).where(OutboxRow.subject == StartTraining.subject)
    async with gateway.service.database.read() as session:
        return [StartTraining.model_validate_json(body) for body in (await session.exec(query)).all()]


async def test_a_run_that_is_asked_for_is_a_job_and_a_command(gateway: Gateway) -> None:
    async with answered(gateway, CheckTraining, check):
        response = await gateway.http.post("/api/train", json=RUN | {"dataset": "file:///data/a.jsonl"})
    assert response.status_code == 202, response.text
    job_id = response.json()["job_id"]
    assert response.headers["location"] == f"/api/jobs/{job_id}"
    [command] = await sent(gateway)
    assert (command.correlation_id, command.dataset) == (job_id, "file:///data/a.jsonl")
    assert command.settings == {"examples": 4, "seed": None}
    assert (await gateway.job(job_id))["kind"] == "train"

    await publish(gateway.jetstream, started(job_id))
    await publish(gateway.jetstream, judged(job_id))
    job = await gateway.job_in(job_id, "succeeded")
    assert job["result"] == {
        "artifact_type": "mermaid_erd",
        "model": "llamacpp:hone-starter",
        "version": 2,
        "name": "v2_20260101",
        "verdict": "canary",
        "reasons": ["better beyond doubt"],
        "figures": {"quality": {"difference": 0.2}},
    }


async def test_what_a_run_lacks_is_told_before_there_is_a_job(sqlite_gateway: Gateway) -> None:
    http = sqlite_gateway.http
    async with answered(sqlite_gateway, CheckTraining, check):
        refused = await http.post("/api/train", json={"type": "mermaid_erd", "method": "lora"})
    assert is_problem(refused, 501, "no_torch")["detail"] == "Run `make train-ready`."
    is_problem(await http.post("/api/train", json=RUN), 503, "service_unavailable")
    wrong: list[dict[str, Any]] = [
        {"type": "uml", "method": "lora"},
        {"type": "mermaid_erd", "method": "magic"},
        {"type": "mermaid_erd"},
        RUN | {"repeat": "job_1"},
        {"repeat": "job_1", "settings": {"rank": 8}},
        RUN | {"base": "no-provider"},
        RUN | {"dataset": "a\nb"},
        RUN | {"settings": {"a b": 1}},
        RUN | {"settings": {"a": {"b": 1}}},
        RUN | {"settings": {"a": "x" * 501}},
        RUN | {"settings": {f"a{number}": 1 for number in range(61)}},
    ]
    for body in wrong:
        is_problem(await http.post("/api/train", json=body), 422, "invalid_request")
    assert await sent(sqlite_gateway) == []
    assert (await http.get("/api/jobs")).json() == {"jobs": []}


async def test_the_same_request_again_is_the_same_run_even_while_the_trainer_is_away(
    sqlite_gateway: Gateway,
) -> None:
    key = {"Idempotency-Key": "t1"}
    async with answered(sqlite_gateway, CheckTraining, check):
        first = await sqlite_gateway.http.post("/api/train", json=RUN, headers=key)
    again = await sqlite_gateway.http.post("/api/train", json=RUN, headers=key)
    assert (again.status_code, again.json()) == (202, first.json())
    assert len(await sent(sqlite_gateway)) == 1


async def test_a_run_that_the_trigger_began_is_a_job_that_can_be_watched_and_cancelled(
    gateway: Gateway,
) -> None:
    job_id = new_id("job")
    await publish(gateway.jetstream, started(job_id))
    await gateway.job_in_list(job_id)
    told = JobProgressed(correlation_id=job_id, sequence=1, stage="training", done=3, total=9)
    await gateway.client.publish(progress(job_id), told.model_dump_json().encode())
    job = await gateway.job_in(job_id, "running")
    assert (job["kind"], job["progress"]["done"]) == ("train", 3)
    cancelled = await gateway.http.post(f"/api/jobs/{job_id}/cancel")
    assert cancelled.json()["state"] == "cancelled"
    await publish(gateway.jetstream, judged(job_id))
    await publish(gateway.jetstream, started(job_id))
    await gateway.drained()
    assert await gateway.job(job_id) == cancelled.json()


async def test_a_version_that_is_taken_back_long_after_its_run_makes_no_job(gateway: Gateway) -> None:
    job_id = new_id("job")
    await publish(gateway.jetstream, judged(job_id, "rolled_back"))
    await gateway.drained()
    assert (await gateway.http.get("/api/jobs")).json() == {"jobs": []}


@pytest.fixture
async def database(database_url: str) -> AsyncIterator[Database]:
    opened = Database(database_url, "gateway")
    await migrate(opened, "hone_gateway", HEAD)
    yield opened
    await opened.aclose()


@given(order=st.lists(st.lists(st.integers(0, 6), min_size=1, max_size=3), min_size=1, max_size=5))
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
async def test_a_run_ends_once_and_as_it_first_ended_whatever_comes_in_whatever_order(
    database: Database, order: list[list[int]]
) -> None:
    """Messages of one group come at the same time; any may come again."""
    job_id, ended = new_id("job"), list[str]()
    runs = Runs(JobBook(ended.append))
    fields = {"correlation_id": job_id, "artifact_type": ERD, "error": WHY}
    begin, first, second = started(job_id), judged(job_id), judged(job_id, "promoted")
    failures = (
        TrainingFailed.model_validate(fields | {"method": "few_shot"}),
        DeploymentFailed.model_validate(fields),
        EvaluationFailed.model_validate(fields | {"model": "m", "challenger": 2}),
    )
    steps: list[Callable[[], Awaitable[None]]] = [
        partial(run_short, database, "s", begin, runs.started),
        partial(run_short, database, "j", first, runs.judged),
        partial(run_short, database, "j", second, runs.judged),
        partial(run_short, database, "j", judged(job_id, "rolled_back"), runs.judged),
        *(partial(run_short, database, "f", each, runs.failed) for each in failures),
    ]
    before: JobRow | None = None
    for group in order:
        await asyncio.gather(*(steps[number]() for number in group))
        async with database.read() as session:
            row = (await session.exec(select(JobRow).where(JobRow.id == job_id))).first()
        if before is not None and before.finished_at is not None:
            assert row is not None
            assert row.model_dump() == before.model_dump(), "an ended run changed"
        before = row
    seen = {number for group in order for number in group}
    assert (before is not None) == bool(seen - {3})
    assert ended == ([job_id] if seen - {0, 3} else [])
    assert (before is not None and before.finished_at is not None) == bool(ended)
