"""Judging an artifact that is there already: the generator's validators, asked at once."""

from fastapi import APIRouter, Request
from pydantic import ConfigDict, Field
from starlette.responses import Response

from hone_chassis import Service
from hone_contracts.artifacts import ArtifactType
from hone_contracts.generation import MAX_CONTEXT_CHARS, MAX_REQUIREMENTS_CHARS
from hone_contracts.validation import MAX_CONTENT_CHARS, ValidateArtifact, Validation
from hone_gateway.asking import ask
from hone_gateway.http import bodies
from hone_gateway.http.authentication import principal
from hone_gateway.http.idempotency import Answer, answered

LIMIT_S = 20.0  # the grammar alone may take five; texts at their limits some more


class ValidateRequest(bodies.RequestBody):
    """What to judge. Without a type, it is told from the content."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "type": "mermaid_erd",
                    "content": "erDiagram\n  MEMBER ||--o{ LOAN : has\n",
                    "requirements": "Each member has many loans.",
                }
            ]
        }
    )

    type: ArtifactType | None = None
    content: str = Field(max_length=MAX_CONTENT_CHARS)
    requirements: str | None = Field(default=None, max_length=MAX_REQUIREMENTS_CHARS)
    context_text: str | None = Field(default=None, max_length=MAX_CONTEXT_CHARS)
    options: dict[str, str] = Field(default={}, max_length=16)
    threshold: int = Field(default=60, ge=0, le=100)


def router(service: Service) -> APIRouter:
    routes = APIRouter(tags=["artifacts"])

    @routes.post("/api/validate")
    async def validate(request: Request) -> Response:
        """Judge an artifact: its score, the validators' results, and whether it would be accepted."""
        asked = await bodies.read(request, ValidateRequest)
        question = ValidateArtifact(
            tenant=principal(request).tenant,
            artifact_type=asked.type,
            content=asked.content,
            requirements=asked.requirements,
            context_text=asked.context_text,
            options=asked.options,
            threshold=asked.threshold,
        )
        judged = await ask(service, question, Validation, timeout_s=LIMIT_S)
        return await answered(service.database, request, Answer.json(200, judged.model_dump(mode="json")))

    return routes
