"""Judging an artifact that is there already: gateway asks, generator answers."""

from typing import ClassVar

from pydantic import BaseModel, ConfigDict, Field

from hone_contracts import subjects
from hone_contracts.artifacts import ArtifactType, ValidatorResult
from hone_contracts.errors import Request
from hone_contracts.generation import MAX_CONTEXT_CHARS, MAX_REQUIREMENTS_CHARS

MAX_CONTENT_CHARS = 256 * 1024


class ValidateArtifact(Request):
    """Without a type, it is told from the content. What needs requirements or a context is left out without them."""

    subject: ClassVar[str] = subjects.rpc("generator", "validate")

    artifact_type: ArtifactType | None = None
    content: str = Field(max_length=MAX_CONTENT_CHARS)
    requirements: str | None = Field(default=None, max_length=MAX_REQUIREMENTS_CHARS)
    context_text: str | None = Field(default=None, max_length=MAX_CONTEXT_CHARS)
    options: dict[str, str] = Field(default={}, description="what the type leaves open: dialect=sqlite")
    threshold: int = Field(default=60, ge=0, le=100)


class Validation(BaseModel):
    """The verdict; ``reasons`` say why the score is what it is, one line each."""

    model_config = ConfigDict(frozen=True)

    type: ArtifactType
    score: int = Field(ge=0, le=100)
    accepted: bool
    validators: tuple[ValidatorResult, ...]
    reasons: tuple[str, ...] = ()
