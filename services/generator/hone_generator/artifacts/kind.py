"""What an artifact type brings: how it is made from requirements, and how what was made is judged."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from hone_contracts.artifacts import ArtifactType, Evidence, ValidatorResult
from hone_contracts.registry import Reading
from hone_generator.mermaid import MermaidParser
from hone_generator.providers.base import ChatMessage, Gbnf, JsonSchema

Ask = Callable[[Sequence[ChatMessage], Gbnf | JsonSchema | None], Awaitable[str]]
"""Put a question to the route's model and wait for the whole answer."""


class Tell(Protocol):
    """Say how far the making is."""

    async def __call__(
        self, stage: str, message: str = "", *, done: int | None = None, total: int | None = None
    ) -> None: ...


@dataclass(frozen=True, slots=True)
class Draft:
    """What a model's answers were made into. ``notes`` say what could not be used of them."""

    content: str
    ir: dict[str, Any]
    evidence: tuple[Evidence, ...] = ()
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Tools:
    """What validators need beyond the text."""

    mermaid: MermaidParser


class ArtifactKind(Protocol):
    """One artifact type. ``prompt_version`` changes with every change of what the model is told."""

    type: ArtifactType
    prompt_version: str

    async def make(self, requirements: str, reading: Reading, ask: Ask, tell: Tell) -> Draft: ...

    async def judge(
        self, content: str, requirements: str | None, tools: Tools, draft: Draft | None = None
    ) -> list[ValidatorResult]:
        """All validators' verdicts. Without requirements, what depends on them is left out; with the draft
        that ``content`` was rendered from, they need not read it from the text."""
        ...
