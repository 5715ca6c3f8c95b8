"""Training runs while they run: pause them, let them go on, end them early, and see how their losses go."""

from typing import Annotated

from fastapi import APIRouter, Path, Query, Request
from starlette.responses import Response

from hone_chassis import Service
from hone_contracts.jobs import JobState
from hone_contracts.pool import Run
from hone_contracts.training import Curve, ShowCurve, SteeringAction, SteerTraining
from hone_gateway.asking import ask
from hone_gateway.errors import JobEnded, NotSteerable
from hone_gateway.http.answers import json_of
from hone_gateway.http.authentication import principal
from hone_gateway.http.idempotency import Answer, asked_once
from hone_gateway.jobs import book
from hone_gateway.jobs.book import JobKind

_JobId = Annotated[str, Path(max_length=80)]


def router(service: Service) -> APIRouter:
    routes = APIRouter(tags=["jobs"])

    @routes.post("/api/jobs/{job_id}/pause", response_model=Run)
    async def pause(job_id: _JobId, request: Request) -> Response:
        """Have a training run write a checkpoint and wait. It keeps its examples and its place."""
        return await _steer(service, request, job_id, "pause")

    @routes.post("/api/jobs/{job_id}/resume", response_model=Run)
    async def resume(job_id: _JobId, request: Request) -> Response:
        """Let a paused training run go on from its checkpoint."""
        return await _steer(service, request, job_id, "resume")

    @routes.post("/api/jobs/{job_id}/stop", response_model=Run)
    async def stop(job_id: _JobId, request: Request) -> Response:
        """End a training run early: the best that it has learned is evaluated as if it had come to its end."""
        return await _steer(service, request, job_id, "stop")

    @routes.get("/api/jobs/{job_id}/curve", response_model=Curve)
    async def curve(
        job_id: _JobId, request: Request, points: Annotated[int, Query(ge=2, le=2000)] = 500
    ) -> Response:
        """How the losses of a training run went so far, in nats a trained token."""
        question = ShowCurve(tenant=principal(request).tenant, run_id=job_id, most_points=points)
        return json_of(await ask(service, question, Curve))

    return routes


async def _steer(service: Service, request: Request, job_id: str, action: SteeringAction) -> Response:
    tenant = principal(request).tenant
    async with service.database.read() as session:
        job = await book.find(session, job_id, tenant)
    if job.kind != JobKind.TRAIN:
        raise NotSteerable(job_id, job.kind)
    if JobState(job.state).ended:
        raise JobEnded(job_id, job.state)

    async def asked() -> Answer:
        run = await ask(service, SteerTraining(tenant=tenant, run_id=job_id, action=action), Run)
        return Answer.json(200, run.model_dump(mode="json"))

    return await asked_once(service.database, request, asked)
