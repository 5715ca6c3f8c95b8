"""The generator's part in feedback, played: what does not begin with erDiagram does not parse."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from playing import Gateway
from sqlmodel import select
from test_other_services import answered

from hone_chassis.tables import OutboxRow
from hone_contracts.artifacts import ArtifactType, ValidatorResult
from hone_contracts.feedback import FeedbackRecorded
from hone_contracts.teaching import CompareArtifacts, Comparison
from hone_contracts.validation import ValidateArtifact, Validation

BETTER = "erDiagram\n  Member ||--o{ Loan : has\n  Loan ||--o{ Fine : costs\n"


@dataclass
class Generator:
    score: int = 92
    distance: float = 0.25
    judged: list[ValidateArtifact] = field(default_factory=list)
    compared: list[CompareArtifacts] = field(default_factory=list)

    async def validate(self, question: ValidateArtifact) -> Validation:
        self.judged.append(question)
        parses = question.content.startswith("erDiagram")
        messages = () if parses else ("line 1: expected erDiagram",)
        results = (
            ValidatorResult(name="syntax", score=100 * parses, passed=parses, messages=messages),
            ValidatorResult(name="structure", score=self.score, passed=True),
        )
        return Validation(
            type=ArtifactType.MERMAID_ERD, score=self.score, accepted=parses, validators=results
        )

    async def compare(self, question: CompareArtifacts) -> Comparison:
        self.compared.append(question)
        return Comparison(distance=self.distance)

    @asynccontextmanager
    async def playing(self, gateway: Gateway) -> AsyncIterator["Generator"]:
        async with (
            answered(gateway, ValidateArtifact, self.validate),
            answered(gateway, CompareArtifacts, self.compare),
        ):
            yield self


async def told(gateway: Gateway) -> Sequence[FeedbackRecorded]:
    """Every FeedbackRecorded there is, in its order."""
    query = (
        select(OutboxRow.body).where(OutboxRow.subject == FeedbackRecorded.subject).order_by(OutboxRow.id)  # type: ignore[arg-type]
    )
    async with gateway.service.database.read() as session:
        return [FeedbackRecorded.model_validate_json(body) for body in (await session.exec(query)).all()]
