"""Asking for artifacts and reading them."""

from typing import Annotated

from fastapi import APIRouter, Request
from pydantic import AfterValidator, ConfigDict, Field
from sqlmodel import select
from sqlmodel.ext.asyncio.session import AsyncSession
from starlette.responses import Response

from hone_chassis.database import Database
from hone_contracts.artifacts import ArtifactType
from hone_contracts.generation import MAX_CONTEXT_CHARS, MAX_REQUIREMENTS_CHARS, GenerateArtifact
from hone_contracts.ids import new_id
from hone_contracts.models import ModelRef
from hone_contracts.registry import Budget
from hone_gateway.errors import NoSuchArtifact, UnknownArtifactType
from hone_gateway.http import bodies, texts
from hone_gateway.http.authentication import principal
from hone_gateway.http.idempotency import Answer, once
from hone_gateway.jobs.book import JobBook
from hone_gateway.jobs.endpoints import accepted
from hone_gateway.tables import ArtifactRow


def _readable(text: str) -> str:
    if not text.strip():
        raise ValueError("write what the artifact shall show; it is empty")
    return texts.plain(text)


def model_reference(reference: str) -> str:
    return str(ModelRef.parse(reference))


class BudgetRequest(bodies.RequestBody):
    """What the request may take and cost at most, all attempts together; the route's limits hold beside these."""

    deadline_s: float = Field(default=7200, gt=0, le=7200)
    max_tokens: int | None = Field(
        default=None, gt=0, le=10**12, description="prompt and answer tokens together"
    )
    max_cost_usd: float | None = Field(default=None, ge=0, le=10**6, description="of cloud models")


_OptionName = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]*$", max_length=50)]
_OptionValue = Annotated[str, texts.PLAIN, Field(max_length=200)]


class GenerateRequest(bodies.RequestBody):
    """What shall be made of which requirements."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {"type": "mermaid_erd", "requirements": "A member has many loans. A loan has a due date."}
            ]
        }
    )

    type: str = Field(json_schema_extra={"enum": [each.value for each in ArtifactType]})
    requirements: Annotated[str, AfterValidator(_readable)] = Field(max_length=MAX_REQUIREMENTS_CHARS)
    model: Annotated[str, AfterValidator(model_reference)] | None = Field(
        default=None, description="provider:model[:tag]; the route of the type decides when absent"
    )
    context: str | None = Field(default=None, min_length=1, max_length=200)
    context_text: Annotated[str, texts.PLAIN] | None = Field(
        default=None, max_length=MAX_CONTEXT_CHARS, description="the project's own words and names"
    )
    options: dict[_OptionName, _OptionValue] = Field(
        default={}, max_length=20, description="what the type leaves open: dialect is sqlite, say"
    )
    budget: BudgetRequest | None = None

    def command(self, job_id: str, tenant: str) -> GenerateArtifact:
        """Raises UnknownArtifactType."""
        try:
            artifact_type = ArtifactType(self.type)
        except ValueError as error:
            raise UnknownArtifactType(self.type) from error
        return GenerateArtifact(
            correlation_id=job_id,
            tenant=tenant,
            artifact_type=artifact_type,
            requirements=self.requirements,
            model=self.model,
            context=self.context,
            context_text=self.context_text,
            options=self.options,
            budget=None if self.budget is None else Budget(**self.budget.model_dump()),
        )


def router(database: Database, book: JobBook) -> APIRouter:
    routes = APIRouter(tags=["artifacts"])

    @routes.post("/api/artifacts", status_code=202)
    async def generate(request: Request) -> Response:
        """Start generating an artifact."""
        asked = await bodies.read(request, GenerateRequest)
        command = asked.command(new_id("job"), principal(request).tenant)

        async def accept(session: AsyncSession) -> Answer:
            return accepted(await book.accept(session, command))

        return await once(database, request, accept)

    @routes.get("/api/artifacts/{artifact_id}")
    async def show(artifact_id: str, request: Request) -> Response:
        """An artifact with its score, the reasons for it, and the evidence for each element."""
        async with database.read() as session:
            document = await find_artifact(session, artifact_id, principal(request).tenant)
        return Response(document, media_type="application/json")

    return routes


async def find_artifact(session: AsyncSession, artifact_id: str, tenant: str) -> str:
    """Its document. Raises NoSuchArtifact, also for another tenant's."""
    query = select(ArtifactRow.document).where(ArtifactRow.id == artifact_id, ArtifactRow.tenant == tenant)
    document = (await session.exec(query)).first()
    if document is None:
        raise NoSuchArtifact(artifact_id)
    return document
