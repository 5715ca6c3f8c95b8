"""What people say about artifacts, with all that can be learned from it."""

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from hone_contracts import subjects
from hone_contracts.artifacts import ArtifactType, Evidence
from hone_contracts.messages import Event
from hone_contracts.reward import Thumb

MAX_COMMENT_CHARS = 4_000
MAX_LEARNED_BYTES = 700_000
"""Of an artifact's texts together, as UTF-8: what goes into one message. Of longer ones the verdict alone is told."""


class Correction(BaseModel):
    """The artifact as it should have been. ``distance`` tells how much of the answer it changes: 0 nothing, 1 all."""

    model_config = ConfigDict(frozen=True)

    content: str
    score: int = Field(ge=0, le=100, description="the validators' score of the correction")
    distance: float = Field(ge=0, le=1)


class Answered(BaseModel):
    """The answer that the feedback is about, and what was asked."""

    model_config = ConfigDict(frozen=True)

    artifact_id: str
    artifact_type: ArtifactType
    requirements: str
    context_text: str | None = None
    options: dict[str, str] = {}
    content: str
    evidence: tuple[Evidence, ...] = ()
    score: int = Field(ge=0, le=100)
    model: str
    version: int | None = None


class FeedbackRecorded(Event):
    """Said of an artifact by a person. ``answered`` is None where its texts are too long to travel.

    ``supersedes`` is the feedback that the same person gave on the same artifact before, which counts no more.
    """

    subject = subjects.event("feedback", "recorded")

    feedback_id: str
    artifact_id: str
    artifact_type: ArtifactType
    model: str
    version: int | None = None
    user: str = Field(max_length=200, description="who said it: the key's name, or a person's behind a key")
    thumb: Thumb | None = None
    score: int | None = Field(default=None, ge=0, le=100)
    comment: str | None = Field(default=None, max_length=MAX_COMMENT_CHARS)
    correction: Correction | None = None
    reward: float = Field(ge=-1, le=1)
    validators_score: int = Field(ge=0, le=100)
    answered: Answered | None = None
    supersedes: str | None = None
    source: Literal["person", "import"] = "person"
