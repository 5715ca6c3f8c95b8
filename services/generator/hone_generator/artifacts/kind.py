"""What an artifact type brings: how it is made from requirements, and how what was made is read and checked.

A type is one module (or one folder) with one class; ``artifacts/__init__.py`` has its line. Everything that is
the same for all types (coverage, consistency, grounding, purity, repair, scoring) lies outside and sees an artifact
as its ``Outline``.
"""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol

from hone_contracts.artifacts import ArtifactType, Evidence, ValidatorResult
from hone_contracts.registry import Reading
from hone_generator.artifacts.inverse import Quotes
from hone_generator.mermaid import MermaidParser
from hone_generator.providers.base import ChatMessage, Gbnf, JsonSchema

Ask = Callable[[Sequence[ChatMessage], Gbnf | JsonSchema | None], Awaitable[str]]
"""Put a question to the attempt's model and wait for the whole answer. A provider that cannot hold its model to the
constraint is told the schema in words instead, so that the answer may be free text around what was asked for."""


class Tell(Protocol):
    """Say how far the making is."""

    async def __call__(
        self, stage: str, message: str = "", *, done: int | None = None, total: int | None = None
    ) -> None: ...


@dataclass(frozen=True, slots=True)
class Feedback:
    """What the validators said about the model's last answer: it is asked to mend that, not to begin anew."""

    answer: str
    messages: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Brief:
    """What shall be made. ``context`` is the project's own text, as untrusted as the requirements are; ``options``
    are those of the type (``dialect``: ``sqlite``), checked by the type."""

    requirements: str
    reading: Reading = "whole"
    context: str | None = None
    options: Mapping[str, str] = field(default_factory=dict)
    feedback: Feedback | None = None


@dataclass(frozen=True, slots=True)
class Draft:
    """What a model's answers were made into. ``answer`` is what it said last, to be shown to it when it shall mend
    it; ``notes`` say what could not be used of it."""

    content: str
    ir: dict[str, Any]
    evidence: tuple[Evidence, ...] = ()
    notes: tuple[str, ...] = ()
    answer: str = ""


Role = Literal["type", "member", "action", "state", "participant", "label", "prose"]
"""Of a name in an artifact: a thing with members (entity, class, table, schema); one of its members (attribute,
column, property); something that is done (operation, method, message, event, transition); a state or step;
who takes part; words on an edge; sentences for people (descriptions, story texts, comments, docstrings)."""


@dataclass(frozen=True, slots=True)
class Name:
    """A name or text of an artifact and the line (from 1) where it stands, where that is known. ``derived`` was added
    by convention, not by the model: a surrogate key, a foreign key's column."""

    text: str
    role: Role
    line: int | None = None
    derived: bool = False


Scope = Literal["data", "behaviour", "everything"]
"""Which sentences of requirements a type can answer: what is kept about what; what happens; both."""


@dataclass(frozen=True, slots=True)
class Link:
    """A relation between two types of an artifact, by their names. ``many_from`` and ``many_to`` tell whether an end
    may stand for several (1:N is False, True); None where the format does not say."""

    from_: str
    to: str
    many_from: bool | None = None
    many_to: bool | None = None


@dataclass(frozen=True, slots=True)
class Outline:
    """An artifact as the validators that know no format see it. ``numbers`` tells whether the format has a place for
    limits and amounts ("at most five"); ``links`` is None where the type does not tell what is connected."""

    names: tuple[Name, ...]
    scope: Scope = "everything"
    numbers: bool = False
    links: tuple[Link, ...] | None = None


@dataclass(frozen=True, slots=True)
class Tools:
    """What validators need beyond the text."""

    mermaid: MermaidParser


@dataclass(frozen=True, slots=True)
class Subject:
    """What is judged. Without requirements or context, what depends on them is left out; the draft that ``content``
    was rendered from spares reading it from the text."""

    content: str
    requirements: str | None = None
    context: str | None = None
    options: Mapping[str, str] = field(default_factory=dict)
    draft: Draft | None = None


class Parsed(Protocol):
    """An artifact read by its type. Reading never fails: what cannot be read is a finding of these checks."""

    def structure(self) -> ValidatorResult:
        """Not empty, keys, cardinalities, nothing on its own."""
        ...

    def references(self) -> ValidatorResult:
        """Every name that is used is declared: ends of relations, foreign keys, ``$ref``, states, imports."""
        ...

    def style(self) -> ValidatorResult:
        """Naming and conventions of the format, size."""
        ...

    def outline(self) -> Outline: ...


class ArtifactKind(Protocol):
    """One artifact type. ``prompt_version`` changes with every change of what the model is told; ``readings`` are
    those that it can be made by; ``suffix`` is what a file of it is called."""

    type: ArtifactType
    prompt_version: str
    readings: frozenset[Reading]
    suffix: str

    async def make(self, brief: Brief, ask: Ask, tell: Tell) -> Draft:
        """Ask, and make a draft of the answer. An answer that is none is a draft with notes, not an error; only
        what ``ask`` raises passes through."""
        ...

    def read(self, subject: Subject) -> Parsed: ...

    async def syntax(self, subject: Subject, tools: Tools) -> ValidatorResult:
        """The format's real grammar."""
        ...

    def answer_of(self, subject: Subject, quotes: Quotes) -> str:
        """The answer to the whole text that ``content`` is made of, in the form that the type asks for. Raises
        Inexpressible where there is none."""
        ...
