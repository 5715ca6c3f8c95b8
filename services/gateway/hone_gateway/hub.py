"""Files of model weights: converting and inspecting them, on the hub's disk."""

from pathlib import PurePath
from typing import Annotated

from fastapi import APIRouter, Request
from pydantic import AfterValidator, BeforeValidator, ConfigDict, Field
from sqlmodel.ext.asyncio.session import AsyncSession
from starlette.responses import Response

from hone_chassis import Service
from hone_contracts.hub import ConvertModel, FileReport, InspectFile, Quantization
from hone_contracts.ids import new_id
from hone_gateway.asking import ask
from hone_gateway.http import bodies
from hone_gateway.http.authentication import principal
from hone_gateway.http.idempotency import Answer, answered, once
from hone_gateway.jobs.book import JobBook
from hone_gateway.jobs.endpoints import accepted


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


def router(service: Service, book: JobBook) -> APIRouter:
    routes = APIRouter(tags=["hub"])

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

        async def accept(session: AsyncSession) -> Answer:
            return accepted(await book.accept(session, command))

        return await once(service.database, request, accept)

    @routes.post("/api/hub/inspect-file")
    async def inspect_file(request: Request) -> Response:
        """What a GGUF file holds, and whether it keeps its promises."""
        asked = await bodies.read(request, InspectRequest)
        question = InspectFile(tenant=principal(request).tenant, uri=asked.path)
        report = (await ask(service, question, FileReport, timeout_s=_INSPECT_LIMIT_S)).report
        return await answered(service.database, request, Answer.json(200, report))

    return routes
