"""Champion and challenger on the same held-out prompts: registry asks, generator answers, registry decides."""

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from hone_contracts import subjects
from hone_contracts.artifacts import ArtifactType
from hone_contracts.errors import ErrorBody
from hone_contracts.messages import Command, Event
from hone_contracts.registry import Reading, ServedVersion


class HeldOutItem(BaseModel):
    """One line of a held-out file. ``reference`` is what a person made of the answer, or called good."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    item: str
    requirements: str
    context_text: str | None = None
    options: dict[str, str] = Field(default={})
    reference: str | None = None
    corrected: bool = False
    group: str = Field(default="", description="near-duplicates share one")


class EvaluateVersions(Command):
    """Answer every prompt of ``held_out_uri`` (JSONL of HeldOutItem) with both versions of ``model``."""

    subject = subjects.command("generator", "evaluate")

    artifact_type: ArtifactType
    model: str
    reading: Reading
    champion: ServedVersion
    challenger: ServedVersion
    held_out_uri: str


class AnswerFigures(BaseModel):
    """One answer. ``score`` is the validators', None where there was no answer; the F1 are those to the reference."""

    model_config = ConfigDict(frozen=True)

    score: int | None = None
    overall_f1: float | None = None
    relations_f1: float | None = None
    bleu: float | None = Field(default=None, description="to the reference, 0..100, as sacrebleu counts it")
    chrf: float | None = Field(default=None, description="to the reference, 0..100, as sacrebleu counts it")
    latency_ms: float = 0.0
    tokens: int = 0
    error: str | None = None


class PairFigures(BaseModel):
    """Both answers to one prompt."""

    model_config = ConfigDict(frozen=True)

    item: str
    group: str = ""
    corrected: bool = False
    champion: AnswerFigures
    challenger: AnswerFigures


class EvaluationCompleted(Event):
    subject = subjects.event("evaluation", "completed")

    artifact_type: ArtifactType
    model: str
    champion: int
    challenger: int
    pairs: tuple[PairFigures, ...]


class EvaluationFailed(Event):
    subject = subjects.event("evaluation", "failed")

    artifact_type: ArtifactType
    model: str
    challenger: int
    error: ErrorBody


Verdict = Literal["promoted", "canary", "challenger", "rejected", "rolled_back", "superseded"]
"""``promoted``: answers all from now on; ``challenger``: kept beside the champion, not better beyond doubt;
``superseded``: another version was there first."""


class VersionJudged(Event):
    """What was decided about a version, and why. The first one of a run ends its job."""

    subject = subjects.event("version", "judged")

    artifact_type: ArtifactType
    model: str
    version: int
    name: str
    verdict: Verdict
    reasons: tuple[str, ...]
    figures: dict[str, Any] = Field(default={})
