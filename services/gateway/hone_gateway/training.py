"""Training runs that a person asks for."""

from typing import Annotated

from fastapi import APIRouter, Request
from pydantic import AfterValidator, ConfigDict, Field
from starlette.responses import Response

from hone_chassis import Service
from hone_contracts.artifacts import ArtifactType
from hone_contracts.ids import new_id
from hone_contracts.training import CheckTraining, Method, StartTraining, TrainingPossible
from hone_gateway.artifacts import model_reference
from hone_gateway.asking import ask
from hone_gateway.http import bodies, texts
from hone_gateway.http.authentication import principal
from hone_gateway.http.idempotency import kept, once
from hone_gateway.jobs.accepting import accepting
from hone_gateway.jobs.book import JobBook

_CHECK_LIMIT_S = 15.0  # the first check after a start imports torch
_SettingName = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_.]*$", max_length=50)]
_SettingText = Annotated[str, texts.PLAIN, Field(max_length=500)]


class TrainRequest(bodies.RequestBody):
    """What shall be trained, how, and on what; the route's model on what the pool holds when nothing else is said."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"type": "mermaid_erd", "method": "few_shot"}]})

    type: ArtifactType
    method: Method
    base: Annotated[str, AfterValidator(model_reference)] | None = None
    dataset: Annotated[str, texts.NAME] | None = Field(
        default=None, max_length=4096, description="digest of a dataset, or a file's URI"
    )
    settings: dict[_SettingName, bool | int | float | _SettingText | None] = Field(
        default={}, max_length=50, description="hyperparameters of the method"
    )


def router(service: Service, book: JobBook) -> APIRouter:
    routes = APIRouter(tags=["training"])

    @routes.post("/api/train", status_code=202)
    async def train(request: Request) -> Response:
        """Start a run. What it lacks comes back as the problem, before there is a job."""
        asked = await bodies.read(request, TrainRequest)
        if (before := await kept(service.database, request)) is not None:
            return before.response()
        tenant = principal(request).tenant
        question = CheckTraining(
            tenant=tenant, artifact_type=asked.type, method=asked.method, base=asked.base
        )
        await ask(service, question, TrainingPossible, timeout_s=_CHECK_LIMIT_S)
        command = StartTraining(
            correlation_id=new_id("job"),
            tenant=tenant,
            artifact_type=asked.type,
            method=asked.method,
            base=asked.base,
            dataset=asked.dataset,
            settings=dict(asked.settings),
        )
        return await once(service.database, request, accepting(book, command))

    return routes
