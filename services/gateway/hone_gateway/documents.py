"""The API's own description: OpenAPI for HTTP, AsyncAPI for messages."""

from collections.abc import Callable
from typing import Any

from fastapi import APIRouter, FastAPI
from fastapi.openapi.utils import get_openapi
from pydantic import BaseModel
from pydantic.json_schema import models_json_schema
from starlette.responses import JSONResponse, Response

from hone_chassis import Service
from hone_gateway.api_keys import KeyRequest
from hone_gateway.artifacts import GenerateRequest
from hone_gateway.datasets import BuildRequest, ImportRequest
from hone_gateway.feedback.words import FeedbackRequest
from hone_gateway.http.bodies import RequestBody
from hone_gateway.hub import ConvertRequest, InspectRequest
from hone_gateway.models import PromoteRequest, RollBackRequest
from hone_gateway.training import TrainRequest
from hone_gateway.validation import ValidateRequest

_REF = "#/components/schemas/{model}"
BODIES: dict[str, type[RequestBody]] = {
    "/api/artifacts": GenerateRequest,
    "/api/artifacts/{artifact_id}/feedback": FeedbackRequest,
    "/api/datasets/build": BuildRequest,
    "/api/datasets/import": ImportRequest,
    "/api/hub/convert": ConvertRequest,
    "/api/hub/inspect-file": InspectRequest,
    "/api/keys": KeyRequest,
    "/api/models/{name}/promote": PromoteRequest,
    "/api/models/{name}/rollback": RollBackRequest,
    "/api/train": TrainRequest,
    "/api/validate": ValidateRequest,
}


class Problem(BaseModel):
    """RFC 9457. ``code`` is stable for programs, ``detail`` tells a person what to do; there may be more fields."""

    type: str
    title: str
    status: int
    detail: str
    instance: str
    code: str


def router(service: Service) -> APIRouter:
    routes = APIRouter()
    made: dict[str, Any] = {}

    @routes.get("/asyncapi.json", include_in_schema=False)
    async def asyncapi() -> Response:
        if not made:
            from hone_chassis.asyncapi import document  # noqa: PLC0415 (its imports cost 0.1 s at the start)

            made.update(document(service))
        return JSONResponse(made)

    return routes


def openapi_of(app: FastAPI) -> Callable[[], dict[str, Any]]:
    """FastAPI's document, with the bodies that we read ourselves, the key, and the problems."""

    def openapi() -> dict[str, Any]:
        if app.openapi_schema is None:
            app.openapi_schema = _document(app)
        return app.openapi_schema

    return openapi


def _document(app: FastAPI) -> dict[str, Any]:
    made = get_openapi(title=app.title, version=app.version, routes=app.routes)
    components = made.setdefault("components", {})
    wanted = [(model, "validation") for model in (*BODIES.values(), Problem)]
    _, schemas = models_json_schema(wanted, ref_template=_REF)  # type: ignore[arg-type]
    components.setdefault("schemas", {}).update(schemas["$defs"])
    components["securitySchemes"] = {"key": {"type": "http", "scheme": "bearer"}}
    made["security"] = [{"key": []}]
    for path, operations in made["paths"].items():
        for method, operation in operations.items():
            operation["responses"].pop("422", None)
            operation["responses"]["default"] = _content("Problem", "application/problem+json")
            if method == "post":
                operation.setdefault("parameters", []).append(_IDEMPOTENCY_KEY)
                if path in BODIES:
                    body = _content(BODIES[path].__name__, "application/json")
                    operation["requestBody"] = {"required": True, "content": body["content"]}
    return made


_IDEMPOTENCY_KEY = {
    "name": "Idempotency-Key",
    "in": "header",
    "description": "The same key and body again give the first answer again, and no second effect.",
    "schema": {"type": "string", "maxLength": 255},
}


def _content(model: str, media_type: str) -> dict[str, Any]:
    schema = {"$ref": _REF.format(model=model)}
    return {"description": model, "content": {media_type: {"schema": schema}}}
