"""The pool of examples and the datasets that are made of it: the trainer's, shown and built."""

from typing import Annotated

from fastapi import APIRouter, Path, Query, Request
from pydantic import ConfigDict, Field, model_validator
from starlette.responses import Response

from hone_chassis import Service
from hone_contracts.artifacts import ArtifactType
from hone_contracts.pool import (
    MAX_IMPORT_BYTES,
    MAX_ROWS_SHOWN,
    BuildDataset,
    CountExamples,
    Datasets,
    DatasetShown,
    ExamplesImported,
    ImportExamples,
    ListDatasets,
    PoolCounts,
    ShowDataset,
)
from hone_contracts.training import DatasetSummary
from hone_gateway.asking import ask
from hone_gateway.feedback.words import who
from hone_gateway.http import bodies, texts
from hone_gateway.http.answers import json_of
from hone_gateway.http.authentication import principal
from hone_gateway.http.idempotency import Answer, answered, kept

_BUILD_LIMIT_S = 60.0
_Digest = Annotated[str, Path(min_length=8, max_length=64, pattern=r"^[0-9a-f]+$")]


class BuildRequest(bodies.RequestBody):
    model_config = ConfigDict(json_schema_extra={"examples": [{"type": "mermaid_erd"}]})

    type: ArtifactType


class ImportRequest(bodies.RequestBody):
    """A file in any dataset format, as text or by its URI."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"type": "mermaid_erd", "uri": "s3://team/examples.jsonl"}]}
    )

    type: ArtifactType
    name: Annotated[str, Field(max_length=200), texts.NAME] = Field(
        default="import", description="the file's, for lineage"
    )
    text: str | None = Field(default=None, max_length=MAX_IMPORT_BYTES)
    uri: Annotated[str, Field(max_length=2000), texts.NAME] | None = None

    @model_validator(mode="after")
    def _one_of_them(self) -> "ImportRequest":
        if (self.text is None) == (self.uri is None):
            raise ValueError("send the file as text, or its uri; one of them")
        return self


def router(service: Service) -> APIRouter:
    routes = APIRouter(tags=["datasets"])
    _add_reading(routes, service)
    _add_making(routes, service)
    return routes


def _add_reading(routes: APIRouter, service: Service) -> None:
    @routes.get("/api/pool", responses={200: {"model": PoolCounts}})
    async def pool(request: Request, type: ArtifactType | None = None) -> Response:
        """How many examples there are of each type, and what the next run waits for."""
        question = CountExamples(tenant=principal(request).tenant, artifact_type=type)
        return json_of(await ask(service, question, PoolCounts))

    @routes.get("/api/datasets", responses={200: {"model": Datasets}})
    async def datasets(
        request: Request,
        type: ArtifactType | None = None,
        limit: Annotated[int, Query(ge=1, le=MAX_ROWS_SHOWN)] = 50,
    ) -> Response:
        """Datasets, newest first."""
        question = ListDatasets(tenant=principal(request).tenant, artifact_type=type, limit=limit)
        return json_of(await ask(service, question, Datasets))

    @routes.get("/api/datasets/{digest}", responses={200: {"model": DatasetShown}})
    async def dataset(
        digest: _Digest,
        request: Request,
        offset: Annotated[int, Query(ge=0, le=10**9)] = 0,
        limit: Annotated[int, Query(ge=1, le=MAX_ROWS_SHOWN)] = 100,
    ) -> Response:
        """A dataset, and where each of its examples came from. The beginning of its digest is enough."""
        question = ShowDataset(tenant=principal(request).tenant, dataset=digest, offset=offset, limit=limit)
        return json_of(await ask(service, question, DatasetShown))


def _add_making(routes: APIRouter, service: Service) -> None:
    @routes.post("/api/datasets/build", responses={200: {"model": DatasetSummary}})
    async def build(request: Request) -> Response:
        """Build a dataset of all good examples of a type. The same examples are the same dataset."""
        asked = await bodies.read(request, BuildRequest)
        if (before := await kept(service.database, request)) is not None:
            return before.response()
        question = BuildDataset(tenant=principal(request).tenant, artifact_type=asked.type)
        built = await ask(service, question, DatasetSummary, timeout_s=_BUILD_LIMIT_S)
        return await answered(service.database, request, Answer.json(200, built.model_dump(mode="json")))

    @routes.post("/api/datasets/import", responses={200: {"model": ExamplesImported}})
    async def take(request: Request) -> Response:
        """Take the examples of a file into the pool. Each is validated like an answer before it counts."""
        asked, asking = await bodies.read(request, ImportRequest), principal(request)
        if (before := await kept(service.database, request)) is not None:
            return before.response()
        question = ImportExamples(
            tenant=asking.tenant,
            artifact_type=asked.type,
            name=asked.name,
            text=asked.text,
            uri=asked.uri,
            user=who(asking, "import"),
        )
        taken = await ask(service, question, ExamplesImported, timeout_s=_BUILD_LIMIT_S)
        return await answered(service.database, request, Answer.json(200, taken.model_dump(mode="json")))
