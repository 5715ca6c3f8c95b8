"""Schemas of objects stated again as the types that a model would have answered: the way back from `object_types`.

Schemas are read as they are written by people: what has no place in an answer (alternatives, conditions) is passed
over, an object within another becomes a type of its own.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from hone_generator.artifacts.inverse import Quotes
from hone_generator.artifacts.object_types import StatedField, StatedType
from hone_generator.text import naming

_DEEPEST = 8
_MOST_TYPES = 200
_MOST_FIELDS = 200
_FORMATS = frozenset({"date", "date-time", "time", "uuid", "email", "uri"})
_PLAIN = frozenset({"string", "integer", "number", "boolean", "object"})
_BOUNDS = {
    "integer": ("minimum", "maximum"),
    "number": ("minimum", "maximum"),
    "string": ("minLength", "maxLength"),
}


@dataclass(slots=True)
class StatedAgain:
    """``named`` are the schemas that references with one of the ``prefixes`` find."""

    named: Mapping[str, Mapping[str, Any]]
    prefixes: Sequence[str]
    quotes: Quotes
    _types: dict[str, StatedType] = field(default_factory=dict)

    def types(self) -> list[StatedType]:
        return list(self._types.values())

    def add(self, name: str, schema: Mapping[str, Any], depth: int = 0) -> str:
        """State a schema with properties under this name, or one that is free; its name, "" for one without."""
        properties = schema.get("properties")
        if not isinstance(properties, dict) or depth > _DEEPEST or len(self._types) >= _MOST_TYPES:
            return ""
        own = self._free(name)
        self._types[own] = StatedType(name=own, fields=[])  # a place, for types within it come later
        required = schema.get("required")
        needed = {each for each in required if isinstance(each, str)} if isinstance(required, list) else set()
        fields = [
            self._field(own, name, each, depth, required=name in needed)
            for name, each in list(properties.items())[:_MOST_FIELDS]
            if isinstance(each, dict)
        ]
        self._types[own] = StatedType(
            name=own,
            description=_text(schema.get("description")),
            fields=fields,
            evidence=self.quotes.of_element("type", own),
        )
        return own

    def name_of(self, reference: Any) -> str:
        """The type that a reference leads to; "" for none."""
        if not isinstance(reference, str):
            return ""
        name = next((reference[len(each) :] for each in self.prefixes if reference.startswith(each)), "")
        return name if isinstance(self.named.get(name, {}).get("properties"), dict) else ""

    def field(
        self, owner: str, name: str, schema: Mapping[str, Any], *, required: bool = False
    ) -> StatedField:
        return self._field(owner, name, schema, 0, required=required)

    def _field(
        self, owner: str, name: str, schema: Mapping[str, Any], depth: int, *, required: bool
    ) -> StatedField:
        schema = self._resolved(schema)
        many = schema.get("type") == "array"
        items = schema.get("items")
        one = self._resolved(items) if many and isinstance(items, dict) else {} if many else schema
        kind, of = self._kind(one, name, depth)
        bounds = ("minItems", "maxItems") if many else _BOUNDS.get(str(one.get("type")), ())
        least, most = (_number(schema.get(key)) for key in bounds) if bounds else ("", "")
        values = one.get("enum")
        return StatedField(
            name=name,
            type=kind,
            of=of,
            many=many,
            required=required,
            description=_text(schema.get("description")),
            values=[str(each) for each in values if each is not None]
            if kind == "enum" and isinstance(values, list)
            else [],
            minimum="" if kind == "enum" else least,
            maximum="" if kind == "enum" else most,
            pattern=_text(one.get("pattern")),
            evidence=self.quotes.of_element("field", owner, name),
        )

    def _kind(self, schema: Mapping[str, Any], name: str, depth: int) -> tuple[str, str]:
        """The type's word, and the other type where it is an object."""
        of = self.name_of(schema.get("$ref"))
        if not of and isinstance(schema.get("properties"), dict):
            of = self.add(naming.entity_name(name), schema, depth + 1)
        if of:
            return "object", of
        kinds = schema.get("type")
        kind = next((each for each in kinds if each != "null"), "") if isinstance(kinds, list) else kinds
        if isinstance(schema.get("enum"), list) and kind in ("string", None):
            return "enum", ""
        if schema.get("format") in _FORMATS and kind == "string":
            return str(schema["format"]), ""
        if kind == "string" and (schema.get("contentEncoding") or schema.get("format") in ("binary", "byte")):
            return "binary", ""
        return (kind if isinstance(kind, str) and kind in _PLAIN else "any"), ""

    def _resolved(self, schema: Mapping[str, Any]) -> Mapping[str, Any]:
        """A reference to a schema without properties (a named enum) as what it leads to; of alternatives with null
        the other one."""
        for _ in range(_DEEPEST):
            reference = schema.get("$ref")
            if isinstance(reference, str) and not self.name_of(reference):
                name = next(
                    (reference[len(each) :] for each in self.prefixes if reference.startswith(each)), ""
                )
                if name not in self.named:
                    return schema
                schema = self.named[name]
                continue
            options: list[Any] = next(
                (schema[key] for key in ("anyOf", "oneOf", "allOf") if isinstance(schema.get(key), list)), []
            )
            others = [each for each in options if isinstance(each, dict) and each.get("type") != "null"]
            if len(others) != 1:
                return schema
            schema = others[0]
        return schema

    def _free(self, name: str) -> str:
        taken = {naming.identity(each) for each in self._types}
        reserved = {naming.identity(each) for each in self.named}
        if naming.identity(name) not in taken and (
            name in self.named or naming.identity(name) not in reserved
        ):
            return name
        number = naming.free_number(lambda number: naming.identity(f"{name}{number}") in taken | reserved)
        return f"{name}{number}"


def _number(value: Any) -> str:
    """A bound as it is said; "" for what is none."""
    return f"{value:.12g}" if isinstance(value, int | float) and not isinstance(value, bool) else ""


def _text(value: Any) -> str:
    return value if isinstance(value, str) else ""
