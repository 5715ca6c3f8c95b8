"""Making and judging an artifact without a provider."""

from collections.abc import Sequence
from typing import cast

from hone_contracts.artifacts import ValidatorResult
from hone_contracts.registry import Reading
from hone_generator.artifacts.kind import ArtifactKind, Brief, Draft, Subject, Tools
from hone_generator.providers.base import ChatMessage, Gbnf, JsonSchema

NO_TOOLS = cast(Tools, None)  # for types whose grammar is in this process


async def silent(stage: str, message: str = "", *, done: int | None = None, total: int | None = None) -> None:
    """Nobody hears how far it is."""


async def made(
    kind: ArtifactKind, requirements: str, answer: str, reading: Reading = "whole", **options: str
) -> Draft:
    """What the kind makes of a model that always gives this answer."""

    async def ask(messages: Sequence[ChatMessage], constraint: Gbnf | JsonSchema | None) -> str:
        return answer

    return await kind.make(Brief(requirements, reading=reading, options=options), ask, silent)


async def verdicts(
    kind: ArtifactKind, content: str, draft: Draft | None = None, **options: str
) -> dict[str, ValidatorResult]:
    """The four that depend on the format."""
    subject = Subject(content, options=options, draft=draft)
    parsed = kind.read(subject)
    found = [await kind.syntax(subject, NO_TOOLS), parsed.structure(), parsed.references(), parsed.style()]
    return {each.name: each for each in found}
