"""A Mermaid diagram as an artifact type: asked for as JSON, taken as Mermaid text too, rendered by us.

What differs between the diagrams is a ``Notation``: plain functions over the diagram's data.
"""

import asyncio
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from hone_contracts.artifacts import ArtifactType, Evidence, ValidatorResult
from hone_contracts.registry import Reading
from hone_generator.artifacts import extract
from hone_generator.artifacts.diagrams.answers import Answer, Hearing, plain, without_references
from hone_generator.artifacts.diagrams.element import Diagram, Element
from hone_generator.artifacts.diagrams.text import Read
from hone_generator.artifacts.held import MOST_ANSWER_CHARS, schema_of
from hone_generator.artifacts.inverse import Inexpressible, Quotes, written
from hone_generator.artifacts.kind import Ask, Brief, Draft, Parsed, Subject, Tell, Tools
from hone_generator.artifacts.prompting import whole_messages
from hone_generator.providers.base import JsonSchema
from hone_generator.validators.mermaid_syntax import validate_syntax

A = TypeVar("A", bound=Answer)
D = TypeVar("D", bound=Diagram)


@dataclass(frozen=True, slots=True)
class Notation(Generic[A, D]):
    """``diagram`` makes data of an answer, with notes on what could not be used; ``settled`` gives names and labels
    the form in which Mermaid can show them; ``render`` writes what is settled; ``parse`` reads text from anywhere;
    ``named`` lists the elements that evidence is given for; ``stated`` is the answer that a diagram is made of, as
    plain data."""

    answer: type[A]
    data: type[D]
    header: re.Pattern[str]
    instructions: str
    diagram: Callable[[A, Hearing], D]
    settled: Callable[[D], D]
    render: Callable[[D], str]
    parse: Callable[[str], Read[D]]
    named: Callable[[D], Iterable[tuple[str, Element]]]
    stated: Callable[[D, Quotes], dict[str, Any]]
    checks: Callable[[Read[D]], Parsed]


class DiagramKind(Generic[A, D]):
    """An artifact type (``kind.ArtifactKind``) of a notation."""

    suffix = ".mmd"

    def __init__(self, type: ArtifactType, prompt_version: str, notation: Notation[A, D]) -> None:
        self.type = type
        self.prompt_version = prompt_version
        self.readings: frozenset[Reading] = frozenset({"whole"})
        self.notation = notation
        self._schema = JsonSchema(without_references(schema_of(notation.answer).schema))

    async def make(self, brief: Brief, ask: Ask, tell: Tell) -> Draft:
        await tell("reading")
        answer = await ask(whole_messages(self.notation.instructions, brief), self._schema)
        # In a thread, since hostile answers take a second, and the loop has other requests.
        return await asyncio.to_thread(draft_of, answer, brief.requirements, self.notation)

    def read(self, subject: Subject) -> Parsed:
        if subject.draft is not None:
            return self.notation.checks(Read(self.notation.data.model_validate(subject.draft.ir), exact=True))
        return self.notation.checks(self.notation.parse(subject.content))

    def answer_of(self, subject: Subject, quotes: Quotes) -> str:
        said = self.notation.stated(self.notation.parse(subject.content).diagram, quotes)
        if not any(said.values()):
            raise Inexpressible("the diagram is empty")
        hearing = Hearing(plain(subject.requirements or ""))
        return written(self.notation.answer.model_validate(said, context=hearing))

    async def syntax(self, subject: Subject, tools: Tools) -> ValidatorResult:
        return await validate_syntax(tools.mermaid, self.type, subject.content)


def draft_of(answer: str, requirements: str, notation: Notation[A, D]) -> Draft:
    """The draft in an answer: its JSON document, else the diagram that it wrote itself; an empty one with notes
    where it is neither."""
    hearing = Hearing(plain(requirements))
    if len(answer) > MOST_ANSWER_CHARS:
        hearing.note(
            f"the answer has {len(answer)} characters, {MOST_ANSWER_CHARS} were read: make it shorter"
        )
    diagram = _diagram_in(answer[:MOST_ANSWER_CHARS], notation, hearing)
    if hearing.strange_quotes:
        hearing.note(f"{hearing.strange_quotes} quotes are not in the requirements: quote them word for word")
    return drafted(diagram, notation, hearing.notes, answer)


def drafted(diagram: D, notation: Notation[A, D], notes: Sequence[str], answer: str = "") -> Draft:
    """A diagram, settled and rendered."""
    found = notation.settled(diagram)
    evidence = tuple(
        Evidence(element=name, text=element.evidence)
        for name, element in notation.named(found)
        if element.evidence
    )
    ir = found.model_dump(mode="json", by_alias=True)
    return Draft(notation.render(found), ir, evidence, tuple(notes), answer)


def _diagram_in(answer: str, notation: Notation[A, D], hearing: Hearing) -> D:
    lists = _lists(notation.answer)
    try:
        document = extract.json_document(answer)
        reason = f"the JSON document has none of {', '.join(lists)}: answer in the form that was asked for"
    except extract.Unreadable as error:
        document, reason = {}, error.reason
    if any(key in document for key in lists):
        return notation.diagram(notation.answer.model_validate(document, context=hearing), hearing)
    text = _mermaid_in(answer, notation.header)
    if text is None:
        hearing.note(f"the answer could not be read: {reason}")
        return notation.data()
    read = notation.parse(text)
    for problem in read.problems:
        hearing.note(f"line {problem.line}: {problem.what}")
    return read.diagram


def _lists(answer: type[Answer]) -> list[str]:
    return [name for name in answer.model_fields if name != "reasoning"]


def _mermaid_in(answer: str, header: re.Pattern[str]) -> str | None:
    """The text from the header on, out of its fence if it has one."""
    text = extract.fenced(answer, frozenset({"mermaid"}))
    lines = text.split("\n")
    for number, line in enumerate(lines):
        if header.match(" ".join(line.split())):
            return "\n".join(lines[number:])
    return None
