"""Training runs that a person asks for."""

import json
from collections.abc import Awaitable, Callable
from typing import Annotated, Any, Self

from fastapi import APIRouter, Request
from pydantic import AfterValidator, ConfigDict, Field, model_validator
from sqlmodel.ext.asyncio.session import AsyncSession
from starlette.responses import Response

from hone_chassis import Service
from hone_contracts.artifacts import ArtifactType
from hone_contracts.ids import new_id
from hone_contracts.pool import Run, ShowRun
from hone_contracts.training import (
    CheckEnvironments,
    CheckTraining,
    Environments,
    Method,
    StartTraining,
    TrainingPossible,
)
from hone_gateway.artifacts import model_reference
from hone_gateway.asking import ask
from hone_gateway.http import bodies, texts
from hone_gateway.http.authentication import principal
from hone_gateway.http.idempotency import Answer, kept, once
from hone_gateway.jobs.accepting import accepting
from hone_gateway.jobs.book import JobBook

_CHECK_LIMIT_S = 15.0  # the first check after a start imports torch
_SettingName = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_.]*$", max_length=50)]
_SettingText = Annotated[str, texts.PLAIN, Field(max_length=500)]


class TrainRequest(bodies.RequestBody):
    """What shall be trained, how, and on what; the route's model on what the pool holds when nothing else is said."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"type": "mermaid_erd", "method": "few_shot"}]})

    type: ArtifactType | None = Field(default=None, description="needed, unless a run is repeated")
    method: Method | None = Field(default=None, description="needed, unless a run is repeated")
    repeat: Annotated[str, texts.NAME] | None = Field(
        default=None,
        max_length=80,
        description="a run, all of which is taken: dataset, base, settings and seed",
    )
    base: Annotated[str, AfterValidator(model_reference)] | None = None
    dataset: Annotated[str, texts.NAME] | None = Field(
        default=None, max_length=4096, description="digest of a dataset, or a file's URI"
    )
    settings: dict[_SettingName, bool | int | float | _SettingText | None] = Field(
        default={}, max_length=60, description="hyperparameters of the method"
    )
    origins: dict[_SettingName, Annotated[str, texts.PLAIN, Field(max_length=200)]] = Field(
        default={}, max_length=60, description="where a setting comes from, as set or file:NAME; else api"
    )

    @model_validator(mode="after")
    def _one_of_both(self) -> Self:
        named = self.type is not None and self.method is not None
        if self.repeat is None and not named:
            raise ValueError("name type and method, or a run to repeat")
        if self.repeat is not None and (named or self.base or self.dataset or self.settings):
            raise ValueError("a repeated run is repeated as it was: name nothing beside repeat")
        return self


def router(service: Service, book: JobBook) -> APIRouter:
    routes = APIRouter(tags=["training"])

    @routes.post("/api/train", status_code=202)
    async def train(request: Request) -> Response:
        """Start a run. What it lacks comes back as the problem, before there is a job."""
        asked = await bodies.read(request, TrainRequest)
        if (before := await kept(service.database, request)) is not None:
            return before.response()
        tenant = principal(request).tenant
        artifact_type, method = await _what(service, asked, tenant)
        settings: dict[str, Any] = dict(asked.settings)
        if asked.origins:
            settings["_from"] = dict(asked.origins)
        same = {"tenant": tenant, "artifact_type": artifact_type, "method": method, "base": asked.base}
        question = CheckTraining.model_validate({**same, "settings": settings})
        possible = await ask(service, question, TrainingPossible, timeout_s=_CHECK_LIMIT_S)
        command = StartTraining.model_validate(
            {
                **same,
                "correlation_id": new_id("job"),
                "dataset": asked.dataset,
                "settings": settings,
                "repeats": asked.repeat,
            }
        )
        return await once(service.database, request, _accepting(book, command, possible))

    @routes.get("/api/train/check")
    async def check(request: Request) -> Environments:
        """What the workers that are alive have, which methods they can run, and what to do about what is missing."""
        question = CheckEnvironments(tenant=principal(request).tenant)
        return await ask(service, question, Environments, timeout_s=_CHECK_LIMIT_S)

    return routes


async def _what(service: Service, asked: TrainRequest, tenant: str) -> tuple[ArtifactType, Method]:
    if asked.repeat is not None:
        run = await ask(service, ShowRun(tenant=tenant, run_id=asked.repeat), Run)
        return run.artifact_type, run.method
    assert asked.type is not None and asked.method is not None  # the request was checked
    return asked.type, asked.method


def _accepting(
    book: JobBook, command: StartTraining, possible: TrainingPossible
) -> Callable[[AsyncSession], Awaitable[Answer]]:
    """As any job, with the resolved settings beside it."""
    accept = accepting(book, command)

    async def with_settings(session: AsyncSession) -> Answer:
        answer = await accept(session)
        settings = [each.model_dump(mode="json") for each in possible.settings]
        return Answer.json(answer.status, {**json.loads(answer.body), "settings": settings}, answer.location)

    return with_settings
