"""Answers that are one JSON document of a form of ours: the schema that a model is held to, and reading what came.

Providers hold models loosely or not at all, so what is read is checked again, and a form takes a little more than its
schema promises: unknown keys are passed over.
"""

from collections.abc import Iterable, Sequence
from functools import cache
from typing import Any, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from hone_contracts.artifacts import Evidence
from hone_contracts.erd_facts import normalise
from hone_generator.artifacts.extract import Unreadable, json_document
from hone_generator.providers.base import JsonSchema
from hone_generator.text.passages import split_passages
from hone_generator.text.quotes import find_quote

MOST_ANSWER_CHARS = 256 * 1024  # what the grammar's process takes too; no artifact for people is longer


class Stated(BaseModel):
    """A part of an answer."""

    model_config = ConfigDict(extra="ignore", populate_by_name=True)


class Quoted(Stated):
    """A part of an answer that says which words of the requirements it rests on."""

    evidence: str = Field(default="", description="the words of the requirements that say so, verbatim")


_Answer = TypeVar("_Answer", bound=BaseModel)


@cache  # some milliseconds each time otherwise
def schema_of(form: type[BaseModel]) -> JsonSchema:
    """All properties required and no others: providers guess otherwise, and some refuse the schema."""
    return JsonSchema(_closed(form.model_json_schema(by_alias=True)))


def read_answer(form: type[_Answer], answer: str) -> _Answer:
    """The JSON document of an answer, in its form. Raises Unreadable with a message that a model can act on."""
    if len(answer) > MOST_ANSWER_CHARS:
        raise Unreadable(
            f"the answer has {len(answer)} characters, {MOST_ANSWER_CHARS} are read: make it shorter"
        )
    try:
        return form.model_validate(json_document(answer))
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(map(str, first["loc"])) or "the document"
        raise Unreadable(f"{place}: {first['msg']}; answer with the whole document again") from None


def evidence_for(quotes: Iterable[tuple[str, str]], requirements: str) -> tuple[Evidence, ...]:
    """The passages that quotes of (element, words) come from; a quote that is nowhere in the text proves nothing."""
    passages: Sequence[str] = [passage.text for passage in split_passages(requirements)]
    lines = [normalise(text) for text in passages]
    found: list[Evidence] = []
    for element, words in quotes:
        index = find_quote(words, lines) if words.strip() else None
        if index is not None:
            found.append(Evidence(element=element, text=passages[index]))
    return tuple(found)


def _closed(node: Any) -> Any:
    if isinstance(node, list):
        return [_closed(item) for item in node]
    if not isinstance(node, dict):
        return node
    closed = {key: _closed(value) for key, value in node.items() if key not in ("default", "title")}
    if isinstance(node.get("properties"), dict):
        properties = {name: _closed(value) for name, value in node["properties"].items()}
        closed |= {"properties": properties, "required": list(properties), "additionalProperties": False}
    return closed
