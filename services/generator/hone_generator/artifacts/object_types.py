"""Types of objects with typed fields: what models state for JSON Schema and for the schemas of an API, and the
JSON schemas made of them."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Annotated, Any, Literal, get_args

from pydantic import Field

from hone_generator.artifacts import data_model
from hone_generator.artifacts.held import Quoted
from hone_generator.artifacts.left_out import LeftOut
from hone_generator.text import naming

FieldType = Literal[
    "string", "integer", "number", "boolean", "date", "date-time", "time", "uuid", "email", "uri", "binary", "enum",
    "object", "any",
]  # fmt: skip
TypeName = Annotated[str, Field(json_schema_extra={"enum": list(get_args(FieldType))})]

_SCHEMAS: dict[str, dict[str, Any]] = {
    **{kind: {"type": kind} for kind in ("string", "integer", "number", "boolean")},
    **{
        kind: {"type": "string", "format": kind}
        for kind in ("date", "date-time", "time", "uuid", "email", "uri")
    },
    "binary": {"type": "string", "contentEncoding": "base64"},
    "object": {"type": "object"},
    "any": {},
}
_SYNONYMS = {
    "str": "string", "text": "string", "varchar": "string", "int": "integer", "int32": "integer", "int64": "integer",
    "long": "integer", "float": "number", "double": "number", "decimal": "number", "money": "number",
    "bool": "boolean", "datetime": "date-time", "timestamp": "date-time", "url": "uri", "guid": "uuid",
    "json": "any", "bytes": "binary", "file": "binary",
}  # fmt: skip
_NUMBER = re.compile(r"-?\d{1,15}(?:\.\d{1,10})?")
_MOST_TYPES, _MOST_FIELDS, _MOST_VALUES, _LONGEST_PATTERN = 200, 200, 100, 200


class StatedField(Quoted):
    name: str
    type: TypeName = "string"
    of: str = Field(default="", description="the other type's name where type is object, else empty")
    many: bool = Field(default=False, description="a list of these")
    required: bool = False
    description: str = ""
    values: list[str] = Field(default=[], description="all values that an enum may have")
    minimum: str = Field(
        default="", description="least value, length or, with many, count; empty if not stated"
    )
    maximum: str = Field(
        default="", description="largest value, length or, with many, count; empty if not stated"
    )
    pattern: str = Field(default="", description="a regular expression, only if the text gives a format")


class StatedType(Quoted):
    name: str
    description: str = ""
    fields: list[StatedField]


@dataclass(slots=True)
class Types:
    """The schemas by their names, and what of the answer could not stand in them."""

    schemas: dict[str, dict[str, Any]] = field(default_factory=dict)
    names: dict[str, str] = field(default_factory=dict)
    left_out: LeftOut = field(default_factory=LeftOut)

    def find(self, said: str) -> str | None:
        """The name under which a type is kept, by what it was called."""
        return self.names.get(naming.identity(said))


def types_of(stated: Sequence[StatedType], prefix: str) -> Types:
    """Total and deterministic; ``prefix`` is where references find the schemas (``#/$defs/``)."""
    types = Types()
    kept = list(stated[:_MOST_TYPES])
    for each in kept:
        name = _distinct(type_name(each.name), types.schemas)
        types.schemas[name] = {}
        types.names.setdefault(naming.identity(each.name), name)
    for each, name in zip(kept, list(types.schemas), strict=True):
        types.schemas[name] = _object(each, types, prefix)
    if len(stated) > _MOST_TYPES:
        types.left_out.unfit.append(
            f"type {stated[_MOST_TYPES].name[:60]} and all after it: {_MOST_TYPES} are kept"
        )
    return types


def type_name(said: str) -> str:
    """PascalCase in ASCII, as component names have to be; a name in another script is numbered."""
    ascii_only = "".join(char for char in naming.entity_name(said[:200]) if char.isascii() and char.isalnum())
    return ascii_only[:60] or "Type"


def _distinct(name: str, taken: dict[str, Any]) -> str:
    folded = {each.lower() for each in taken}
    if name.lower() not in folded:
        return name
    return f"{name}{naming.free_number(lambda number: f'{name}{number}'.lower() in folded)}"


def _object(stated: StatedType, types: Types, prefix: str) -> dict[str, Any]:
    properties: dict[str, Any] = {}
    required: list[str] = []
    for each in stated.fields[:_MOST_FIELDS]:
        name = _distinct("_".join(naming.words_of(each.name[:120])) or "field", properties)
        properties[name] = field_schema(each, types, prefix, f"{stated.name[:60]}.{each.name[:60]}")
        if each.required:
            required.append(name)
    schema: dict[str, Any] = {"type": "object"}
    if one_line(stated.description):
        schema["description"] = one_line(stated.description)
    schema["properties"] = properties
    if required:
        schema["required"] = required
    return {**schema, "additionalProperties": False}


def field_schema(each: StatedField, types: Types, prefix: str, where: str) -> dict[str, Any]:
    """The schema of one value, a list of them where there are many."""
    one = _one(each, types, prefix, where)
    if not each.many:
        return _limited(one, each, types, where)
    listed: dict[str, Any] = {"type": "array", "items": one}
    listed |= _bounds(each, "minItems", "maxItems", types, where, whole=True)
    return _described(listed, each)


def _one(each: StatedField, types: Types, prefix: str, where: str) -> dict[str, Any]:
    kind = each.type.strip().lower()
    kind = _SYNONYMS.get(kind, kind)
    if each.of.strip() or kind == "object":
        name = types.find(each.of)
        if name is not None:
            return {"$ref": prefix + name}
        if each.of.strip():
            types.left_out.dangling.append(
                f"{where}: there is no type {each.of[:60]}; add the type or correct the name"
            )
        return {"type": "object"}
    if kind == "enum":
        values = list(dict.fromkeys(shown for value in each.values if (shown := one_line(value))))[
            :_MOST_VALUES
        ]
        return {"type": "string", "enum": values} if values else {"type": "string"}
    return dict(_SCHEMAS.get(kind, _SCHEMAS["string"]))


def _limited(one: dict[str, Any], each: StatedField, types: Types, where: str) -> dict[str, Any]:
    kind = one.get("type")
    if kind in ("integer", "number"):
        one |= _bounds(each, "minimum", "maximum", types, where, whole=kind == "integer")
    elif kind == "string" and "enum" not in one:
        one |= _bounds(each, "minLength", "maxLength", types, where, whole=True)
        if each.pattern.strip():
            problem = pattern_problem(each.pattern)
            if problem:
                types.left_out.unfit.append(f"{where}: its pattern {problem}")
            else:
                one["pattern"] = each.pattern
    return _described(one, each)


def _described(schema: dict[str, Any], each: StatedField) -> dict[str, Any]:
    shown = one_line(each.description)
    return {**schema, "description": shown} if shown else schema


def _bounds(
    each: StatedField, least: str, most: str, types: Types, where: str, *, whole: bool
) -> dict[str, int | float]:
    found: dict[str, int | float] = {}
    for key, said in ((least, each.minimum.strip()), (most, each.maximum.strip())):
        if not said:
            continue
        number = float(said) if _NUMBER.fullmatch(said) else None
        if (
            number is None
            or (whole and number != int(number))
            or (key not in ("minimum", "maximum") and number < 0)
        ):
            types.left_out.unfit.append(f"{where}: {said[:40]!r} is no bound for it; write a number")
        else:
            found[key] = int(number) if number == int(number) else number
    if len(found) == 2 and found[least] > found[most]:
        types.left_out.unfit.append(
            f"{where}: at least {found[least]} and at most {found[most]} contradict each other"
        )
        return {}
    return found


def pattern_problem(pattern: str) -> str:
    """Why a regular expression is none, or too long to be one; it is never run."""
    if not pattern.isprintable():
        return "holds a character that cannot be shown: take it out"
    if len(pattern) > _LONGEST_PATTERN:
        return f"has {len(pattern)} characters: make it shorter"
    try:
        re.compile(pattern)
    except (re.error, RecursionError, OverflowError) as error:
        return f"is no regular expression: {str(error)[:80]}"
    return ""


def one_line(text: str) -> str:
    """One line without controls."""
    return " ".join("".join(char if char.isprintable() else " " for char in text[:500]).split())


_FACT_TYPES = {
    "string": "string", "text": "string", "int": "integer", "float": "number", "decimal": "number",
    "boolean": "boolean", "date": "date", "datetime": "date-time", "uuid": "uuid", "enum": "string", "json": "any",
    "binary": "binary",
}  # fmt: skip


def stated_types(model: data_model.DataModel) -> list[StatedType]:
    """The entities of a data model. Who points to one other has its key; of those that have many of each other the
    first has a list of keys."""
    return [
        StatedType(name=entity.name, fields=[*map(_stated, entity.fields), *_lists(entity, model)])
        for entity in model.entities
        if entity.joins is None
    ]


def _stated(own: data_model.Field) -> StatedField:
    kind = "email" if naming.identity(own.name) == "email" else _FACT_TYPES[own.type]
    return StatedField(name=own.name, type=kind, required=own.required)


def _lists(entity: data_model.Entity, model: data_model.DataModel) -> Iterator[StatedField]:
    for link in model.links:
        if link.cardinality == "N:M" and link.from_ == entity.name:
            target = model.entity(link.to)
            name = f"{naming.attribute_name(target.name)}_{target.key[0].name}s"
            yield StatedField(name=name, type=_FACT_TYPES[target.key[0].type], many=True)


def quotes(stated: Sequence[StatedType]) -> Iterator[tuple[str, str]]:
    """Elements and the words that they rest on."""
    for each in stated:
        yield f"type:{each.name}", each.evidence
        for own in each.fields:
            yield f"field:{each.name}.{own.name}", own.evidence
