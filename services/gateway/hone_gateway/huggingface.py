"""Models on Hugging Face: searching them, looking into a repository, and bringing one here."""

from typing import Annotated

from fastapi import APIRouter, Query, Request
from pydantic import ConfigDict, Field
from starlette.responses import Response

from hone_chassis import Service
from hone_contracts.hub_models import MODEL_NAME, AddModel
from hone_contracts.huggingface import (
    REPOSITORY,
    REVISION,
    FoundModels,
    InspectRepository,
    RepositoryReport,
    SearchModels,
)
from hone_contracts.ids import new_id
from hone_gateway.asking import ask
from hone_gateway.http import bodies, texts
from hone_gateway.http.answers import json_of
from hone_gateway.http.authentication import principal
from hone_gateway.http.idempotency import once
from hone_gateway.jobs.accepting import accepting
from hone_gateway.jobs.book import JobBook

_ANSWER_LIMIT_S = 40.0  # longer than the hub gives itself


class DownloadRequest(bodies.RequestBody):
    """Which model, and whether Ollama shall serve it; otherwise it is only downloaded and checked."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [{"model_id": "Qwen/Qwen2.5-Coder-7B-Instruct-GGUF", "convert_to_ollama": True}]
        }
    )

    model_id: Annotated[str, Field(pattern=REPOSITORY, description="owner/name of a repository")]
    convert_to_ollama: bool = False
    quant: Annotated[str, Field(min_length=1, max_length=40)] = "auto"
    revision: Annotated[str, Field(pattern=REVISION)] | None = None
    name: Annotated[str, Field(pattern=MODEL_NAME)] | None = Field(
        default=None, description="what it is called here; made of the repository's name and the quantization"
    )


def router(service: Service, book: JobBook) -> APIRouter:
    routes = APIRouter(tags=["hub"])

    @routes.get("/api/huggingface/search", responses={200: {"model": FoundModels}})
    async def search(
        request: Request,
        query: Annotated[str, Query(min_length=1, max_length=200), texts.WRITTEN],
        limit: Annotated[int, Query(ge=1, le=100)] = 20,
    ) -> Response:
        """Models by words of their names, the most downloaded first, each with a verdict and its reason."""
        question = SearchModels(tenant=principal(request).tenant, query=query, limit=limit)
        return json_of(await ask(service, question, FoundModels, timeout_s=_ANSWER_LIMIT_S))

    @routes.get("/api/huggingface/models/{repository:path}", responses={200: {"model": RepositoryReport}})
    async def inspect(
        repository: Annotated[str, Field(pattern=REPOSITORY)],
        request: Request,
        revision: Annotated[str | None, Query(pattern=REVISION)] = None,
        context: Annotated[int | None, Query(ge=1, le=1 << 24, description="tokens")] = None,
        quant: Annotated[str, Query(min_length=1, max_length=40)] = "auto",
    ) -> Response:
        """A repository's weights by quantization, what memory they take, and which would be chosen, and why."""
        question = InspectRepository(
            tenant=principal(request).tenant,
            repository=repository,
            revision=revision,
            context_tokens=context,
            quant=quant,
        )
        return json_of(await ask(service, question, RepositoryReport, timeout_s=_ANSWER_LIMIT_S))

    @routes.post("/api/huggingface/download", status_code=202)
    async def download(request: Request) -> Response:
        """Bring a model: download, convert where needed, serve, prove and register it, as one job."""
        asked = await bodies.read(request, DownloadRequest)
        command = AddModel(
            correlation_id=new_id("job"),
            tenant=principal(request).tenant,
            source=asked.model_id,
            revision=asked.revision,
            quant=asked.quant,
            name=asked.name,
            destinations=("ollama",) if asked.convert_to_ollama else (),
        )
        return await once(service.database, request, accepting(book, command))

    return routes
