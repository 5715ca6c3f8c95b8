"""Judge any file, without a service: what ``hone validate`` calls."""

import asyncio
from dataclasses import dataclass

from hone_contracts.artifacts import ArtifactType, ValidatorResult
from hone_contracts.registry import Route
from hone_generator.artifacts import KINDS
from hone_generator.artifacts.kind import ArtifactKind, Subject, Tools
from hone_generator.mermaid import MermaidParser
from hone_generator.validators.judge import judge
from hone_generator.validators.scoring import combine

_THRESHOLD: int = Route.model_fields["threshold"].default


@dataclass(frozen=True)
class Report:
    """The verdict on a file; ``reasons`` say why the score is what it is."""

    type: ArtifactType
    score: int
    accepted: bool
    validators: tuple[ValidatorResult, ...]
    reasons: tuple[str, ...]


class CannotValidate(Exception):
    """There is no validator for this type."""

    def __init__(self, wanted: str) -> None:
        super().__init__(f"{wanted} cannot be validated by this version: it knows {', '.join(KINDS)}")


def validate(artifact_type: str, content: str, requirements: str | None = None) -> Report:
    """Raises CannotValidate for a type that is not there, MermaidError when the grammar gives no verdict."""
    kind = KINDS.get(ArtifactType(artifact_type)) if artifact_type in set(ArtifactType) else None
    if kind is None:
        raise CannotValidate(artifact_type)
    results = asyncio.run(_judge(kind, Subject(content, requirements)))
    score = combine(results)
    return Report(kind.type, score.score, score.accepted(_THRESHOLD), tuple(results), score.reasons)


async def _judge(kind: ArtifactKind, subject: Subject) -> list[ValidatorResult]:
    tools = Tools(MermaidParser())
    try:
        return await judge(kind, subject, tools)
    finally:
        await tools.mermaid.aclose()
