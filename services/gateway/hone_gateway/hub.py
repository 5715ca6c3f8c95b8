"""The hub's own: models that were added, and files of weights on its disk."""

from pathlib import PurePath
from typing import Annotated

from fastapi import APIRouter, Request
from pydantic import AfterValidator, BeforeValidator, ConfigDict, Field
from starlette.responses import Response

from hone_chassis import Service
from hone_contracts.hub import ConvertModel, FileReport, InspectFile, Quantization
from hone_contracts.hub_models import (
    MODEL_NAME,
    AddedModels,
    AddModel,
    Destination,
    ListAddedModels,
    RemoveModel,
)
from hone_contracts.huggingface import REVISION
from hone_contracts.ids import new_id
from hone_gateway.asking import ask
from hone_gateway.http import bodies, texts
from hone_gateway.http.answers import json_of
from hone_gateway.http.authentication import principal
from hone_gateway.http.idempotency import Answer, answered, once
from hone_gateway.jobs.accepting import accepting
from hone_gateway.jobs.book import JobBook


def _uri(place: str) -> str:
    """A path on the hub's disk, or a URI, as a URI."""
    if "://" in place:
        return place
    path = PurePath(place)
    if not path.is_absolute() or "\0" in place:
        raise ValueError("write an absolute path, or a URI: the hub has a working directory of its own")
    return path.as_uri()


def _lower(quant: object) -> object:
    return quant.lower() if isinstance(quant, str) else quant


Place = Annotated[str, Field(min_length=1, max_length=4096), AfterValidator(_uri)]

_INSPECT_LIMIT_S = 30.0  # the hub starts a process for each file, and reads its whole header


class ConvertRequest(bodies.RequestBody):
    """Which folder becomes which GGUF file."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [{"source": "/models/tiny", "out": "/models/tiny.gguf", "quant": "Q8_0"}]
        }
    )

    source: Place
    out: Place
    quant: Annotated[Quantization, BeforeValidator(_lower)] = "q8_0"
    overwrite: bool = False


class InspectRequest(bodies.RequestBody):
    model_config = ConfigDict(json_schema_extra={"examples": [{"path": "/models/tiny.gguf"}]})

    path: Place


class AddRequest(bodies.RequestBody):
    """What to bring, and how."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"source": "Qwen/Qwen2.5-Coder-7B-Instruct-GGUF", "quant": "Q4_K_M"}]}
    )

    source: Annotated[str, Field(min_length=1, max_length=4096), texts.NAME] = Field(
        description="owner/name on Hugging Face, ollama:NAME of Ollama's library, or a path on the hub's disk"
    )
    revision: Annotated[str, Field(pattern=REVISION)] | None = None
    quant: Annotated[str, Field(min_length=1, max_length=40)] = "auto"
    name: Annotated[str, Field(pattern=MODEL_NAME)] | None = None
    context_tokens: Annotated[int, Field(ge=1, le=1 << 24)] | None = None
    destinations: Annotated[tuple[Destination, ...], Field(max_length=2)] | None = Field(
        default=None,
        description="absent: Ollama where one answers, else the embedded engine; []: downloaded only",
    )
    template: Annotated[str, Field(min_length=1, max_length=100_000)] | None = Field(
        default=None, description="chat template in Go's language, for Ollama"
    )
    replace: bool = False
    force: bool = Field(default=False, description="go on although it is predicted not to fit")


def router(service: Service, book: JobBook) -> APIRouter:
    routes = APIRouter(tags=["hub"])
    _add_models(routes, service, book)
    _add_files(routes, service, book)
    return routes


def _add_models(routes: APIRouter, service: Service, book: JobBook) -> None:
    @routes.get("/api/hub/models", responses={200: {"model": AddedModels}})
    async def models(request: Request) -> Response:
        """The models that were added, by name."""
        question = ListAddedModels(tenant=principal(request).tenant)
        return json_of(await ask(service, question, AddedModels))

    @routes.post("/api/hub/models", status_code=202)
    async def add(request: Request) -> Response:
        """Bring a model from anywhere to who serves it: one job from its name to a proven answer."""
        asked = await bodies.read(request, AddRequest)
        command = AddModel(
            correlation_id=new_id("job"),
            tenant=principal(request).tenant,
            **asked.model_dump(exclude={"source"}),
            source=_uri(asked.source) if asked.source.startswith("/") else asked.source,
        )
        return await once(service.database, request, accepting(book, command))

    @routes.delete("/api/hub/models/{name:path}", status_code=202)
    async def remove(name: Annotated[str, Field(min_length=1, max_length=500)], request: Request) -> Response:
        """Take a model away from providers, disk and registry; the job fails while a route uses it."""
        command = RemoveModel(correlation_id=new_id("job"), tenant=principal(request).tenant, name=name)
        return await once(service.database, request, accepting(book, command))


def _add_files(routes: APIRouter, service: Service, book: JobBook) -> None:

    @routes.post("/api/hub/convert", status_code=202)
    async def convert(request: Request) -> Response:
        """Start writing a model folder in Hugging Face's layout as a GGUF file."""
        asked = await bodies.read(request, ConvertRequest)
        command = ConvertModel(
            correlation_id=new_id("job"),
            tenant=principal(request).tenant,
            source_uri=asked.source,
            target_uri=asked.out,
            quantization=asked.quant,
            overwrite=asked.overwrite,
        )
        return await once(service.database, request, accepting(book, command))

    @routes.post("/api/hub/inspect-file")
    async def inspect_file(request: Request) -> Response:
        """What a GGUF file holds, and whether it keeps its promises."""
        asked = await bodies.read(request, InspectRequest)
        question = InspectFile(tenant=principal(request).tenant, uri=asked.path)
        report = (await ask(service, question, FileReport, timeout_s=_INSPECT_LIMIT_S)).report
        return await answered(service.database, request, Answer.json(200, report))
