"""Judging an artifact that is there already: for ``hone validate`` and for the gateway's question."""

from collections.abc import Mapping
from dataclasses import dataclass

from hone_chassis.errors import Permanent, Transient
from hone_contracts.artifacts import ArtifactType
from hone_contracts.validation import ValidateArtifact, Validation
from hone_generator.artifacts.detect import type_of
from hone_generator.artifacts.kind import ArtifactKind, Subject, Tools
from hone_generator.artifacts.options import BadOption, check_names
from hone_generator.mermaid import MermaidError
from hone_generator.validators.judge import judge
from hone_generator.validators.scoring import combine


class UnknownType(Exception):
    """There is no such type, or the text does not tell which it is."""

    def __init__(self, wanted: str | None, known: Mapping[ArtifactType, ArtifactKind]) -> None:
        types = ", ".join(sorted(known))
        said = (
            f"{wanted} cannot be validated by this version" if wanted else "the text does not tell its type"
        )
        super().__init__(f"{said}: name one of {types}")


async def validate(
    kinds: Mapping[ArtifactType, ArtifactKind], question: ValidateArtifact, tools: Tools, suffix: str = ""
) -> Validation:
    """Raises UnknownType, BadOption for an option that the type does not take, MermaidError when the grammar gives no
    verdict."""
    told = question.artifact_type or type_of(question.content, suffix)
    kind = kinds.get(told) if told is not None else None
    if kind is None:
        raise UnknownType(told, kinds)
    check_names(kind, question.options)
    subject = Subject(question.content, question.requirements, question.context_text, question.options)
    results = await judge(kind, subject, tools)
    score = combine(results)
    return Validation(
        type=kind.type,
        score=score.score,
        accepted=score.accepted(question.threshold),
        validators=tuple(results),
        reasons=score.reasons,
    )


@dataclass(frozen=True)
class ValidationDesk:
    """Answers the gateway."""

    kinds: Mapping[ArtifactType, ArtifactKind]
    tools: Tools

    async def check(self, question: ValidateArtifact) -> Validation:
        try:
            return await validate(self.kinds, question, self.tools)
        except UnknownType as error:
            raise Permanent("unknown_type", "Unknown artifact type", str(error), 422) from error
        except BadOption as error:
            raise Permanent("bad_option", "An option that there is not", str(error), 422) from error
        except MermaidError as error:
            raise Transient("validation", "The grammar gave no verdict", str(error), 503) from error
