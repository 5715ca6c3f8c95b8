"""Asking for a training run."""

from typing import Any

from fastapi import APIRouter, Request
from pydantic import ConfigDict
from starlette.responses import Response

from hone_chassis import Service
from hone_contracts.artifacts import ArtifactType
from hone_contracts.training import CheckTraining, Method, TrainingPossible
from hone_gateway.asking import ask
from hone_gateway.errors import NotBuilt
from hone_gateway.http import bodies
from hone_gateway.http.authentication import principal


class TrainRequest(bodies.RequestBody):
    model_config = ConfigDict(json_schema_extra={"examples": [{"type": "mermaid_erd", "method": "lora"}]})

    type: ArtifactType
    method: Method
    base: str | None = None
    dataset: str | None = None
    settings: dict[str, Any] | None = None


def router(service: Service) -> APIRouter:
    routes = APIRouter(tags=["training"])

    @routes.post("/api/train")
    async def train(request: Request) -> Response:
        """Ask the trainer whether a run may start; what is missing comes back as the problem."""
        asked = await bodies.read(request, TrainRequest)
        question = CheckTraining(
            tenant=principal(request).tenant, artifact_type=asked.type, method=asked.method, base=asked.base
        )
        possible = await ask(service, question, TrainingPossible)
        raise NotBuilt(
            f"The trainer could run {possible.method} on {possible.device}, but this version starts no runs from the "
            "API yet. `make starter` trains the starter model."
        )

    return routes
