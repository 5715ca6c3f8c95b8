"""Training runs are paused, resumed and stopped over HTTP, and show their figures and their curve."""

from datetime import UTC, datetime
from typing import Any

from playing import Gateway, publish
from test_events import watching
from test_other_services import answered
from test_requests import is_problem
from test_runs import ERD, started

from hone_chassis.errors import Permanent
from hone_contracts.ids import new_id
from hone_contracts.job_messages import JobCancelled
from hone_contracts.messages import JobProgressed
from hone_contracts.pool import Run
from hone_contracts.subjects import progress
from hone_contracts.training import Curve, CurvePoint, ShowCurve, SteerTraining

NOW = datetime(2026, 11, 26, tzinfo=UTC)


async def a_run(gateway: Gateway) -> str:
    job_id = new_id("job")
    await publish(gateway.jetstream, started(job_id))
    await gateway.job_in_list(job_id)
    return job_id


def run(job_id: str, state: Any) -> Run:
    return Run(
        run_id=job_id, artifact_type=ERD, method="lora", trigger="manual", state=state, attempt=1, batch="b",
        examples=50, created_at=NOW, updated_at=NOW,
    )  # fmt: skip


async def test_a_run_is_steered_and_what_comes_of_it_is_the_answer(sqlite_gateway: Gateway) -> None:
    job_id, asked = await a_run(sqlite_gateway), list[SteerTraining]()

    async def steer(question: SteerTraining) -> Run:
        asked.append(question)
        return run(job_id, {"pause": "paused", "resume": "queued", "stop": "training"}[question.action])

    async with answered(sqlite_gateway, SteerTraining, steer):
        for action, state in (("pause", "paused"), ("resume", "queued"), ("stop", "training")):
            response = await sqlite_gateway.http.post(f"/api/jobs/{job_id}/{action}")
            assert (response.status_code, response.json()["state"]) == (200, state), response.text
    assert {(each.run_id, each.tenant) for each in asked} == {(job_id, "default")}
    assert [each.action for each in asked] == ["pause", "resume", "stop"]


async def test_with_a_key_a_run_is_steered_once(sqlite_gateway: Gateway) -> None:
    job_id, states = await a_run(sqlite_gateway), iter(["paused", "training"])

    async def steer(_question: SteerTraining) -> Run:
        return run(job_id, next(states))

    async with answered(sqlite_gateway, SteerTraining, steer):
        for _ in range(2):
            headers = {"Idempotency-Key": "p1"}
            response = await sqlite_gateway.http.post(f"/api/jobs/{job_id}/pause", headers=headers)
            assert response.json()["state"] == "paused"


async def test_what_cannot_be_steered_is_a_problem(sqlite_gateway: Gateway) -> None:
    http = sqlite_gateway.http

    async def refuse(question: SteerTraining) -> Run:
        raise Permanent("not_steerable", "The run cannot do that now", question.action, 409)

    generation, job_id = await sqlite_gateway.accepted(), await a_run(sqlite_gateway)
    async with answered(sqlite_gateway, SteerTraining, refuse):
        is_problem(await http.post(f"/api/jobs/{new_id('job')}/pause"), 404, "no_such_job")
        is_problem(await http.post(f"/api/jobs/{'x' * 81}/pause"), 422, "invalid_request")
        problem = is_problem(await http.post(f"/api/jobs/{generation}/pause"), 409, "not_steerable")
        assert "hone jobs cancel" in problem["detail"]
        assert (
            is_problem(await http.post(f"/api/jobs/{job_id}/stop"), 409, "not_steerable")["detail"] == "stop"
        )
        await http.post(f"/api/jobs/{job_id}/cancel")
        is_problem(await http.post(f"/api/jobs/{job_id}/resume"), 409, "job_ended")
    is_problem(await http.post(f"/api/jobs/{await a_run(sqlite_gateway)}/pause"), 503, "service_unavailable")


async def test_the_curve_of_a_run_is_shown(sqlite_gateway: Gateway) -> None:
    job_id = await a_run(sqlite_gateway)

    async def show(question: ShowCurve) -> Curve:
        if question.run_id != job_id:
            raise Permanent("no_such_run", "There is no such run", question.run_id, 404)
        points = (CurvePoint(step=1, loss=2.0), CurvePoint(step=2, held_out_loss=1.5))
        return Curve(run_id=job_id, steps=question.most_points, points=points)

    async with answered(sqlite_gateway, ShowCurve, show):
        http = sqlite_gateway.http
        curve = (await http.get(f"/api/jobs/{job_id}/curve?points=20")).json()
        assert (curve["steps"], curve["points"][0]["loss"], curve["points"][1]["loss"]) == (20, 2.0, None)
        is_problem(await http.get(f"/api/jobs/{new_id('job')}/curve"), 404, "no_such_run")
        is_problem(await http.get(f"/api/jobs/{job_id}/curve?points=5000"), 422, "invalid_request")


async def test_the_figures_of_a_step_are_in_the_job_and_in_its_events(gateway: Gateway) -> None:
    job_id = await a_run(gateway)
    figures = {"loss": 1.25, "held_out_loss": 1.5, **{f"more{number}": 1.0 for number in range(40)}}
    body = JobProgressed(
        correlation_id=job_id, sequence=1, stage="training", done=3, total=9, figures=figures
    )
    wild = body.model_dump_json().replace('"loss":1.25', '"loss":1.25,"wild":NaN,"wilder":Infinity')
    async with watching(gateway, job_id) as events:
        await anext(events)
        await gateway.client.publish(progress(job_id), wild.encode())
        told = (await anext(events)).data["figures"]
    job = await gateway.job_in(job_id, "running")
    assert told == job["progress"]["figures"] and len(told) == 24
    assert (told["loss"], told["held_out_loss"]) == (1.25, 1.5) and "wild" not in told
    await publish(gateway.jetstream, JobCancelled(correlation_id=job_id))
