"""Holding a model to the words of one passage, so that it can invent nothing.

Names are spans of one to four words of the passage or of the subject line. A GBNF grammar (llama.cpp's) holds the
answer to `erd_facts`' form; where a provider only takes a JSON schema, the names are an enum in a form of its own
that such a provider can follow (`facts_of_schema_answer` reads it).
"""

import json
from functools import lru_cache
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from hone_contracts import erd_facts
from hone_contracts.erd_facts import Attributes, Entities, Fact, Facts, FactsError, Keys, Relation
from hone_generator.providers.base import Gbnf, JsonSchema

# A weak model that repeats itself is closed by the grammar instead of running into the token limit. Real
# sentences stay far below; expanding a bound costs llama.cpp one small rule each.
MAX_FACTS = 12
MAX_ENTITIES = 8
MAX_ATTRIBUTES = 16
# 4 words of 48 letters: beyond this many spans (70 words of a passage) later ones are left out.
MAX_NAMES = 256


@lru_cache(maxsize=256)  # asked for the grammar and for the answer of a passage
def name_spans(*lines: str) -> tuple[str, ...]:
    """All names that normalised lines hold, in their order, at most `MAX_NAMES`. No span crosses punctuation."""
    found: dict[str, None] = {}
    for line in lines:
        words = line.split()
        for begin in range(len(words)):
            for end in range(begin + 1, min(begin + erd_facts.MAX_NAME_WORDS, len(words)) + 1):
                if not erd_facts.may_stand_inside(words[end - 1]):
                    break
                if erd_facts.may_begin(words[begin]) and erd_facts.may_end(words[end - 1]):
                    found[" ".join(words[begin:end])] = None
    return tuple(found)[:MAX_NAMES]


def grammar_for(subject: str, passage: str) -> Gbnf:
    """The grammar of `erd_facts` answers about a normalised passage; only `[]` where it holds no name."""
    names = name_spans(subject, passage)
    if not names:
        return Gbnf('root ::= "[]"\n')
    rules = {
        "root": f'"[" (fact ("," fact){{0,{MAX_FACTS - 1}}})? "]"',
        "fact": "entities | attributes | keys | relation",
        "entities": rf'"{{\"e\":[" name ("," name){{0,{MAX_ENTITIES - 1}}} "]}}"',
        "attributes": _members("a", "type"),
        "keys": _members("k", "key"),
        "relation": r'"{\"r\":[" name "," cardinality "," name "]}"',
        "type": _one_of(erd_facts.ATTRIBUTE_TYPES),
        "key": _one_of(erd_facts.KEYS),
        "cardinality": _one_of(erd_facts.CARDINALITIES),
        "name": rf'"\"" ({_alternatives(names)}) "\""',
    }
    return Gbnf("".join(f"{name} ::= {body}\n" for name, body in rules.items()))


def _members(letter: str, value: str) -> str:
    more = f'("," name ":" {value}){{0,{MAX_ATTRIBUTES - 1}}}'
    return rf'"{{\"{letter}\":" name ",\"l\":{{" name ":" {value} {more} "}}}}"'


def _one_of(values: tuple[str, ...]) -> str:
    return " | ".join(literal(json.dumps(value)) for value in values)


def _alternatives(names: tuple[str, ...]) -> str:
    """The names as a tree of their words: four times fewer characters than a list, and fewer stacks to try."""
    tree: dict[str, Any] = {}
    for name in names:
        node = tree
        for word in name.split(" "):
            node = node.setdefault(word, {})
        node[""] = {}  # a name ends here
    return _branches(tree, "")


def _branches(tree: dict[str, Any], space: str) -> str:
    return " | ".join(
        literal(space + json.dumps(word, ensure_ascii=False)[1:-1]) + _rest(node)
        for word, node in tree.items()
        if word
    )


def _rest(node: dict[str, Any]) -> str:
    following = _branches(node, " ")
    if not following:
        return ""
    return f" ({following}){'?' if '' in node else ''}"


def literal(text: str) -> str:
    """A GBNF string literal that matches exactly `text`, whatever is in it but NUL: that ends a rule inside
    llama.cpp, and no normalised word has one."""
    if "\0" in text:
        raise ValueError(f"{text!r} holds NUL, which no GBNF literal can")
    return '"' + "".join(_escaped(char) for char in text) + '"'


def _escaped(char: str) -> str:
    if char in '"\\':
        return "\\" + char
    if char.isascii() and char.isprintable():
        return char
    point = ord(char)
    return f"\\u{point:04x}" if point <= 0xFFFF else f"\\U{point:08x}"


def schema_for(subject: str, passage: str) -> JsonSchema:
    """The same bounds as a JSON schema, with spelled-out keys for models that were not taught `erd_facts`' form."""
    names = name_spans(subject, passage)
    name: dict[str, Any] = {"type": "string", "enum": list(names)}
    attribute = {"entity": name, "name": name, "type": _enum(erd_facts.ATTRIBUTE_TYPES)}
    lists = {
        "entities": name,
        "attributes": _object({**attribute, "key": _enum(("", *erd_facts.KEYS))}),
        "relationships": _object({"from": name, "cardinality": _enum(erd_facts.CARDINALITIES), "to": name}),
    }
    limit = MAX_ATTRIBUTES if names else 0
    items = {
        key: {"type": "array", "maxItems": limit, "items": value if names else {"type": "string"}}
        for key, value in lists.items()
    }
    return JsonSchema(_object(items))


def _enum(values: tuple[str, ...]) -> dict[str, Any]:
    return {"type": "string", "enum": list(values)}


def _object(properties: dict[str, Any]) -> dict[str, Any]:
    return {
        "type": "object",
        "properties": properties,
        "required": list(properties),
        "additionalProperties": False,
    }


class _Answer(BaseModel):
    model_config = ConfigDict(extra="forbid")


class AttributeAnswer(_Answer):
    entity: str
    name: str
    type: erd_facts.AttributeType = "string"
    key: str = Field(default="", pattern="^(PK|UK)?$")


class RelationAnswer(_Answer):
    from_: str = Field(alias="from")
    cardinality: erd_facts.Cardinality
    to: str


class SchemaAnswer(_Answer):
    entities: list[str] = []
    attributes: list[AttributeAnswer] = []
    relationships: list[RelationAnswer] = []


def facts_of_schema_answer(text: str) -> Facts:
    """Read an answer held to `schema_for`. Raises FactsError; some providers hold models loosely."""
    try:
        answer = SchemaAnswer.model_validate_json(text)
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(map(str, first["loc"])) or "the answer"
        raise FactsError(f"{place}: {first['msg']}") from error
    facts: list[Fact] = [Entities(tuple(answer.entities))] if answer.entities else []
    for found in answer.attributes:
        facts.append(Attributes(found.entity, {found.name: found.type}))
        if found.key:
            facts.append(Keys(found.entity, {found.name: "PK" if found.key == "PK" else "UK"}))
    facts.extend(Relation(found.from_, found.cardinality, found.to) for found in answer.relationships)
    return tuple(facts)


def grounded(facts: Facts, subject: str, passage: str) -> tuple[Facts, tuple[str, ...]]:
    """The facts whose names all stand in the passage or subject, and the names that do not: a second line
    of defence, since a provider may ignore its constraint."""
    names = frozenset(name_spans(subject, passage))
    kept = tuple(fact for fact in facts if names.issuperset(_names(fact)))
    strange = dict.fromkeys(name for fact in facts for name in _names(fact) if name not in names)
    return kept, tuple(strange)


def _names(fact: Fact) -> tuple[str, ...]:
    match fact:
        case Entities(names):
            return names
        case Attributes(entity, types):
            return (entity, *types)
        case Keys(entity, keys):
            return (entity, *keys)
        case Relation(from_, _, to):
            return (from_, to)
