"""The generation path's messages: gateway asks, generator answers."""

from pydantic import Field

from hone_contracts import subjects
from hone_contracts.artifacts import Artifact, ArtifactType, Attempt
from hone_contracts.errors import ErrorBody
from hone_contracts.messages import Command, Event

MAX_REQUIREMENTS_CHARS = 200_000  # a ten-page specification has about 30,000


class GenerateArtifact(Command):
    subject = subjects.command("generator", "generate")

    artifact_type: ArtifactType
    requirements: str = Field(min_length=1, max_length=MAX_REQUIREMENTS_CHARS)
    model: str | None = None
    context: str | None = None


class ArtifactGenerated(Event):
    subject = subjects.event("artifact", "generated")

    artifact: Artifact


class GenerationFailed(Event):
    subject = subjects.event("generation", "failed")

    error: ErrorBody
    attempts: tuple[Attempt, ...] = ()
