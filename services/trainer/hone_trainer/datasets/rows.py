"""One example of training data, whatever format it came in."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

Role = str
"""``system``, ``user`` or ``assistant``; anything else is kept as it was written, for the schema gate to name."""

ROLES = frozenset({"system", "user", "assistant"})


@dataclass(frozen=True, slots=True)
class Turn:
    role: Role
    content: str
    extra: Mapping[str, Any] = field(default_factory=dict)
    """What else the record held of this turn."""


@dataclass(frozen=True, slots=True)
class Reference:
    """Where a row came from."""

    artifact_type: str | None = None
    source: str | None = None
    """``feedback``, ``correction``, ``import``, ``variation`` …"""
    origin: str | None = None
    """The id of what it was made from."""
    group: str | None = None
    """Rows of one group never stand on both sides of the split."""


@dataclass(frozen=True, slots=True)
class Row:
    number: int
    """From 1: the line of a file of lines, otherwise the place in the file."""
    turns: tuple[Turn, ...]
    label: bool | None = None
    """Whether the answer is wanted (KTO); None where the data does not say."""
    reference: Reference | None = None
    extra: Mapping[str, Any] = field(default_factory=dict)
    """What else the record held."""
    raw: str = ""
    """The text that it was read from; bytes that are no UTF-8 are lone surrogates (``surrogateescape``)."""

    @property
    def answer(self) -> str:
        """The last turn, when it is the assistant's; what the model is to learn."""
        return self.turns[-1].content if self.turns and self.turns[-1].role == "assistant" else ""

    @property
    def prompt_turns(self) -> tuple[Turn, ...]:
        return self.turns[:-1] if self.turns and self.turns[-1].role == "assistant" else self.turns

    @property
    def prompt(self) -> str:
        """All that stands before the answer."""
        before = self.prompt_turns
        return before[0].content if len(before) == 1 else "\n\n".join([turn.content for turn in before])
