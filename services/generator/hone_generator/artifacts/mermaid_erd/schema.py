"""Reading a whole text at once: what a larger model (Ollama, cloud) answers, and the facts in it.

The model thinks first (`reasoning`), since constrained JSON alone costs quality, and quotes the words that
each statement rests on; a quote is looked up in the text, so that evidence points to what is really there.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias

from pydantic import Field

from hone_contracts.erd_facts import (
    STOP_WORDS,
    Attributes,
    AttributeType,
    Cardinality,
    Entities,
    Fact,
    FactsError,
    Keys,
    Relation,
    is_name,
    normalise,
)
from hone_generator.artifacts.extract import Unreadable
from hone_generator.artifacts.held import Quoted, Stated, read_answer
from hone_generator.artifacts.mermaid_erd.merge import Answer
from hone_generator.text.naming import words_of
from hone_generator.text.passages import Passage
from hone_generator.text.quotes import find_quote

_MAX_KEPT_WORDS = 4


class StatedEntity(Quoted):
    name: str


class StatedAttribute(Quoted):
    entity: str
    name: str
    type: AttributeType = "string"
    key: Literal["", "PK", "UK"] = ""


class StatedRelationship(Quoted):
    from_: str = Field(alias="from")
    cardinality: Cardinality
    to: str


_Statement: TypeAlias = StatedEntity | StatedAttribute | StatedRelationship


class WholeAnswer(Stated):
    """Everything a model reads out of a text, in one JSON document."""

    reasoning: str = Field(default="", description="a few sentences: which things are kept, how they relate")
    entities: list[StatedEntity]
    attributes: list[StatedAttribute]
    relationships: list[StatedRelationship]


@dataclass(frozen=True, slots=True)
class WholeReading:
    """Answers by passage as `merge` takes them, and what was left out and why."""

    answers: tuple[Answer, ...]
    messages: tuple[str, ...]


def facts_of_whole_answer(text: str, passages: Sequence[Passage]) -> WholeReading:
    """Read a whole answer. Raises FactsError if it is not one; a single statement that names nothing is left
    out with a message. A statement whose quote is not in the text is kept without evidence and reported."""
    try:
        answer = read_answer(WholeAnswer, text)
    except Unreadable as error:
        raise FactsError(error.reason) from error
    lines = [normalise(passage.text) for passage in passages]
    found: dict[int | None, list[Fact]] = {}
    messages: list[str] = []
    statements: list[_Statement] = [*answer.entities, *answer.attributes, *answer.relationships]
    for stated in statements:
        try:
            facts = tuple(_facts(stated))
        except FactsError as error:
            messages.append(f"left out: {error.reason}")
            continue
        index = find_quote(stated.evidence, lines)
        if index is None:
            messages.append(f"{_what(stated)}: its quote is not in the requirements")
        found.setdefault(index, []).extend(facts)
    answers = (
        Answer(index, "" if index is None else lines[index], tuple(facts)) for index, facts in found.items()
    )
    return WholeReading(tuple(answers), tuple(messages))


def name_of(stated: str) -> str:
    """A model's free name (LibraryCard, "the Members") as a name of facts; "" if nothing is left of it."""
    words = normalise(" ".join(words_of(stated))).split()
    while words and (words[0] in STOP_WORDS or words[0].isdigit()):
        words = words[1:]
    words = words[-_MAX_KEPT_WORDS:]  # the head of an English compound stands last
    while words and words[-1] in STOP_WORDS:
        words = words[:-1]
    name = " ".join(words)
    return name if is_name(name) else ""


def _facts(stated: _Statement) -> Iterator[Fact]:
    match stated:
        case StatedEntity(name=name):
            yield Entities((_name(name),))
        case StatedAttribute(entity=entity, name=name, type=kind, key=key):
            yield Attributes(_name(entity), {_name(name): kind})
            if key:
                yield Keys(_name(entity), {_name(name): key})
        case StatedRelationship(from_=from_, cardinality=cardinality, to=to):
            yield Relation(_name(from_), cardinality, _name(to))


def _name(stated: str) -> str:
    name = name_of(stated)
    if not name:
        raise FactsError(f"{stated[:80]!r} is no name")
    return name


def _what(stated: _Statement) -> str:
    match stated:
        case StatedEntity(name=name):
            return f"entity {name[:60]!r}"
        case StatedAttribute(entity=entity, name=name):
            return f"attribute {entity[:60]}.{name[:60]}"
        case StatedRelationship(from_=from_, cardinality=cardinality, to=to):
            return f"relationship {from_[:60]} {cardinality} {to[:60]}"
