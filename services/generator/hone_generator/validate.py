"""Judge any file, without a service: what ``hone validate`` calls."""

import asyncio
from collections.abc import Mapping

from pydantic import ValidationError

from hone_contracts.artifacts import ArtifactType
from hone_contracts.validation import ValidateArtifact, Validation
from hone_generator.artifacts import KINDS
from hone_generator.artifacts.kind import Tools
from hone_generator.artifacts.options import BadOption
from hone_generator.mermaid import MermaidParser
from hone_generator.validation import UnknownType
from hone_generator.validation import validate as judge_text


class CannotValidate(Exception):
    """There is no validator for this type, it does not take the option, or the text is too large."""


def validate(
    artifact_type: str | None,
    content: str,
    *,
    requirements: str | None = None,
    context: str | None = None,
    options: Mapping[str, str] | None = None,
    suffix: str = "",
) -> Validation:
    """Without a type it is told from the content, or from the ``suffix`` of its file. Raises CannotValidate, and
    MermaidError when the grammar gives no verdict."""
    if artifact_type is not None and artifact_type not in set(ArtifactType):
        raise CannotValidate(str(UnknownType(artifact_type, KINDS)))
    try:
        question = ValidateArtifact(
            artifact_type=None if artifact_type is None else ArtifactType(artifact_type),
            content=content,
            requirements=requirements,
            context_text=context,
            options=dict(options or {}),
        )
    except ValidationError as error:
        first = error.errors()[0]
        raise CannotValidate(f"{'.'.join(map(str, first['loc']))}: {first['msg']}") from error
    return asyncio.run(_validate(question, suffix))


async def _validate(question: ValidateArtifact, suffix: str) -> Validation:
    tools = Tools(MermaidParser())
    try:
        return await judge_text(KINDS, question, tools, suffix)
    except (UnknownType, BadOption) as error:
        raise CannotValidate(str(error)) from error
    finally:
        await tools.mermaid.aclose()
