"""The models that the registry knows: reading them, moving their aliases, and the whole as a file for Git.

A model's name may hold slashes, so that it is the whole of a path's middle.
"""

from typing import Annotated

from fastapi import APIRouter, Query, Request
from pydantic import BaseModel, ConfigDict, Field
from starlette.responses import PlainTextResponse, Response

from hone_chassis import Service
from hone_chassis.database import Database
from hone_contracts.artifacts import ArtifactType
from hone_contracts.registry import (
    AliasMoved,
    AuditTrail,
    Evaluations,
    ExportRegistry,
    ImportRegistry,
    ListAudit,
    ListEvaluations,
    ListModels,
    Model,
    Models,
    PromoteVersion,
    RegistryImported,
    RegistryText,
    RollBack,
    ShowModel,
)
from hone_contracts.streams import MAX_MESSAGE_BYTES
from hone_gateway.asking import ask
from hone_gateway.errors import NotARegistryFile, RegistryFileTooLarge
from hone_gateway.http import bodies, texts
from hone_gateway.http.answers import json_of
from hone_gateway.http.authentication import principal
from hone_gateway.http.idempotency import Answer, asked_once
from hone_gateway.http.yaml_files import text_of

_FILE_LIMIT_S = 30.0
_ROOM_BYTES = 4096  # beside a question, for what NATS adds
_FILE = {
    "required": True,
    "description": "the registry as `GET /api/registry` gives it",
    "content": {"application/yaml": {"schema": {"type": "string"}}},
}
_VersionName = Annotated[str, Field(min_length=1, max_length=100)]


class PromoteRequest(bodies.RequestBody):
    """Which version answers from now on, whatever its evaluation says."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"version": "v3_20261101T101500"}]})

    version: _VersionName = Field(description="its number or its name")
    type: ArtifactType | None = Field(default=None, description="the one it was trained for when absent")


class RollBackRequest(bodies.RequestBody):
    """Back to the champion before, or to an earlier one."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"reason": "it forgets the fines"}]})

    to: _VersionName | None = Field(default=None, description="number or name of an earlier champion")
    type: ArtifactType | None = Field(default=None, description="needed where the model has several")
    reason: Annotated[str, Field(max_length=500), texts.WRITTEN] = "by hand"


def router(service: Service) -> APIRouter:
    routes = APIRouter(tags=["models"])
    _add_reading(routes, service)
    _add_moving(routes, service, service.database)
    _add_file(routes, service)

    # Last: a name takes everything that is left of the path.
    @routes.get("/api/models/{name:path}", responses={200: {"model": Model}})
    async def model(name: str, request: Request) -> Response:
        """One model with its versions."""
        return json_of(await ask(service, ShowModel(tenant=principal(request).tenant, name=name), Model))

    return routes


def _add_reading(routes: APIRouter, service: Service) -> None:
    @routes.get("/api/models", responses={200: {"model": Models}})
    async def models(request: Request) -> Response:
        """Every model with its versions."""
        return json_of(await ask(service, ListModels(tenant=principal(request).tenant), Models))

    @routes.get("/api/models/{name:path}/evaluations", responses={200: {"model": Evaluations}})
    async def evaluations(
        name: str,
        request: Request,
        version: Annotated[str | None, Query(max_length=100)] = None,
        limit: Annotated[int, Query(ge=1, le=200)] = 20,
    ) -> Response:
        """How versions did beside the champion of their time, what was decided, and why."""
        tenant = principal(request).tenant
        question = ListEvaluations(tenant=tenant, name=name, version=version, limit=limit)
        return json_of(await ask(service, question, Evaluations))

    @routes.get("/api/audit", responses={200: {"model": AuditTrail}})
    async def audit(
        request: Request,
        subject: Annotated[
            str | None, Query(max_length=300, description="as in `model:` or `route:`")
        ] = None,
        before: Annotated[int | None, Query(ge=1, description="only entries with smaller ids")] = None,
        limit: Annotated[int, Query(ge=1, le=500)] = 50,
    ) -> Response:
        """Who changed what in the registry, and why; newest first."""
        tenant = principal(request).tenant
        question = ListAudit(tenant=tenant, subject_prefix=subject, before=before, limit=limit)
        return json_of(await ask(service, question, AuditTrail))


def _add_moving(routes: APIRouter, service: Service, database: Database) -> None:
    async def moved(request: Request, question: PromoteVersion | RollBack) -> Response:
        async def move() -> Answer:
            return Answer.json(200, (await ask(service, question, AliasMoved)).model_dump(mode="json"))

        return await asked_once(database, request, move)

    @routes.post("/api/models/{name:path}/promote", responses={200: {"model": AliasMoved}})
    async def promote(name: str, request: Request) -> Response:
        """Make a version champion by hand."""
        asked, asking = await bodies.read(request, PromoteRequest), principal(request)
        question = PromoteVersion(
            tenant=asking.tenant,
            name=name,
            version=asked.version,
            artifact_type=asked.type,
            actor=f"key {asking.name}",
        )
        return await moved(request, question)

    @routes.post("/api/models/{name:path}/rollback", responses={200: {"model": AliasMoved}})
    async def roll_back(name: str, request: Request) -> Response:
        """Make an earlier champion champion again."""
        asked, asking = await bodies.read(request, RollBackRequest), principal(request)
        question = RollBack(
            tenant=asking.tenant,
            name=name,
            to=asked.to,
            artifact_type=asked.type,
            reason=asked.reason,
            actor=f"key {asking.name}",
        )
        return await moved(request, question)


def _add_file(routes: APIRouter, service: Service) -> None:
    @routes.get("/api/registry", response_class=PlainTextResponse)
    async def export(request: Request) -> Response:
        """Models, versions with lineage, aliases, evaluations and routes as YAML for Git."""
        question = ExportRegistry(tenant=principal(request).tenant)
        told = await ask(service, question, RegistryText, timeout_s=_FILE_LIMIT_S)
        return Response(told.text, media_type="application/yaml")

    @routes.put(
        "/api/registry", responses={200: {"model": RegistryImported}}, openapi_extra={"requestBody": _FILE}
    )
    async def take(request: Request, dry_run: bool = False) -> Response:
        """Make the registry what a file says: all of it, or nothing and the reason."""
        asking = principal(request)
        question = ImportRegistry(
            tenant=asking.tenant,
            text=await text_of(request, NotARegistryFile),
            actor=f"key {asking.name}",
            dry_run=dry_run,
        )
        if _bytes(question) > MAX_MESSAGE_BYTES - _ROOM_BYTES:
            raise RegistryFileTooLarge
        return json_of(await ask(service, question, RegistryImported, timeout_s=_FILE_LIMIT_S))


def _bytes(question: BaseModel) -> int:
    return len(question.model_dump_json().encode())
