"""The generation path's messages: gateway asks, generator answers."""

from pydantic import Field

from hone_contracts import subjects
from hone_contracts.artifacts import Artifact, ArtifactType, Attempt
from hone_contracts.errors import ErrorBody
from hone_contracts.messages import Command, Event
from hone_contracts.registry import Budget

MAX_CONTEXT_CHARS = 200_000
MAX_REQUIREMENTS_CHARS = 200_000  # a ten-page specification has about 30,000


class GenerateArtifact(Command):
    subject = subjects.command("generator", "generate")

    artifact_type: ArtifactType
    requirements: str = Field(min_length=1, max_length=MAX_REQUIREMENTS_CHARS)
    model: str | None = Field(
        default=None, description="asked instead of the route's; no other is asked then"
    )
    context: str | None = None
    context_text: str | None = Field(
        default=None, max_length=MAX_CONTEXT_CHARS, description="the project's own words and names, as text"
    )
    options: dict[str, str] = Field(default={}, description="what the type leaves open: dialect=sqlite")
    budget: Budget | None = Field(default=None, description="instead of the route's, as far as it is tighter")


class ArtifactGenerated(Event):
    subject = subjects.event("artifact", "generated")

    artifact: Artifact


class GenerationFailed(Event):
    subject = subjects.event("generation", "failed")

    error: ErrorBody
    attempts: tuple[Attempt, ...] = ()
