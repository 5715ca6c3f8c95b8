"""What a model should have been asked and should have answered: trainer asks, generator answers.

Only the generator knows how a type is asked for. The trainer keeps examples as requirements and the finished
artifact, and learns here what they look like to a model.
"""

from typing import ClassVar

from pydantic import BaseModel, ConfigDict, Field

from hone_contracts import subjects
from hone_contracts.artifacts import ArtifactType, Evidence
from hone_contracts.errors import Request
from hone_contracts.registry import Reading


class ExampleText(BaseModel):
    """Requirements and the artifact that is right for them. ``evidence`` is the original answer's, where known."""

    model_config = ConfigDict(frozen=True)

    requirements: str
    content: str
    context_text: str | None = None
    options: dict[str, str] = Field(default={})
    evidence: tuple[Evidence, ...] = ()


class Pair(BaseModel):
    """One question, and its right answer, as the model sees them."""

    model_config = ConfigDict(frozen=True)

    system: str = ""
    user: str
    assistant: str


class RenderedExample(BaseModel):
    """One pair where the text is read whole, one a passage where not; or ``reason``, why it cannot be taught.
    ``unexpressed`` names what of the artifact no pair says."""

    model_config = ConfigDict(frozen=True)

    pairs: tuple[Pair, ...] = ()
    unexpressed: tuple[str, ...] = ()
    reason: str | None = None


class RenderExamples(Request):
    """Answered with one RenderedExample for each example, in their order."""

    subject: ClassVar[str] = subjects.rpc("generator", "render_examples")

    artifact_type: ArtifactType
    reading: Reading
    examples: tuple[ExampleText, ...] = Field(max_length=100)


class RenderedExamples(BaseModel):
    examples: tuple[RenderedExample, ...]


class CompareArtifacts(Request):
    """How much of ``content`` stands in ``reference``."""

    subject: ClassVar[str] = subjects.rpc("generator", "compare_artifacts")

    artifact_type: ArtifactType
    content: str
    reference: str
    options: dict[str, str] = Field(default={})


class Comparison(BaseModel):
    """F1 scores, each 0..1; None where the type has no such parts. ``distance`` is 0 for the same, 1 for nothing in
    common."""

    model_config = ConfigDict(frozen=True)

    types_f1: float | None = None
    members_f1: float | None = None
    relations_f1: float | None = None
    overall_f1: float | None = None
    distance: float = Field(ge=0, le=1)
