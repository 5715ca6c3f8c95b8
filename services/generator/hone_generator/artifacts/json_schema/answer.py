"""What a model answers, and the schema document made of it."""

import json
from typing import Any

from pydantic import Field

from hone_generator.artifacts.held import Stated
from hone_generator.artifacts.left_out import LeftOut
from hone_generator.artifacts.object_types import StatedType, Types, one_line, types_of
from hone_generator.text import naming

DIALECT = "https://json-schema.org/draft/2020-12/schema"
_PREFIX = "#/$defs/"


class Answer(Stated):
    reasoning: str = Field(default="", description="a few sentences: which types there are, how they relate")
    title: str = ""
    root: str = Field(default="", description="the type of the whole document; empty for lists of several")
    types: list[StatedType]


def schema_of_answer(answer: Answer) -> tuple[dict[str, Any], LeftOut]:
    """The document, and what of the answer could not stand in it."""
    types = types_of(answer.types, _PREFIX)
    document: dict[str, Any] = {"$schema": DIALECT}
    title = one_line(answer.title)
    root = types.find(answer.root) if answer.root.strip() else None
    if answer.root.strip() and root is None:
        types.left_out.dangling.append(
            f"root: there is no type {answer.root[:60]}; add the type or leave root empty"
        )
    if root is None and len(types.schemas) == 1:
        root = next(iter(types.schemas))
    document["title"] = title or root or "Document"
    if root is not None:
        document["$ref"] = _PREFIX + root
    elif types.schemas:
        document |= _collections(types)
    return {**document, "$defs": types.schemas} if types.schemas else document, types.left_out


def _collections(types: Types) -> dict[str, Any]:
    """A document that holds several of each type."""
    properties = {}
    for name in types.schemas:
        words = naming.words_of(name)
        properties["_".join((*words[:-1], plural(words[-1])))] = {
            "type": "array",
            "items": {"$ref": _PREFIX + name},
        }
    return {"type": "object", "properties": properties, "additionalProperties": False}


def plural(word: str) -> str:
    """The plural of an English noun in the singular, for lists and paths."""
    if naming.singular(word) != word:
        return word  # it is one
    if word.endswith(("s", "x", "z", "ch", "sh")):
        return f"{word}es"
    if word.endswith("y") and word[-2:-1] not in ("a", "e", "i", "o", "u", ""):
        return f"{word[:-1]}ies"
    return f"{word}s"


def render(document: dict[str, Any]) -> str:
    return json.dumps(document, indent=2, ensure_ascii=False) + "\n"
