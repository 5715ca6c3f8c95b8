"""JSON schemas as each provider takes them, for none of them takes all.

A schema keeps its structure (what there is, of which type, what is required) or is not adapted at all; limits on
single values that a provider does not know (lengths, patterns, numbers) are told to the model in the description.

Sources: https://platform.openai.com/docs/guides/structured-outputs#supported-schemas,
https://platform.claude.com/docs/en/build-with-claude/structured-outputs#json-schema-limitations,
https://ai.google.dev/api/generate-content#FIELDS.response_json_schema
"""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from graphlib import CycleError, TopologicalSorter
from typing import Any

Schema = dict[str, Any]

_STRUCTURE = frozenset(
    {
        "type",
        "properties",
        "required",
        "additionalProperties",
        "items",
        "prefixItems",
        "anyOf",
        "enum",
        "$ref",
        "$defs",
    }
)
_WORDS = frozenset({"title", "description"})
_FORMATS = frozenset(
    {"date-time", "time", "date", "duration", "email", "hostname", "uri", "ipv4", "ipv6", "uuid"}
)
# These change which documents there are; to leave one out would ask for something else.
_SHAPING = frozenset(
    {"patternProperties", "unevaluatedProperties", "unevaluatedItems", "dependentSchemas", "if", "then", "else",
     "not", "contains", "$dynamicRef", "$anchor", "$id", "definitions"}
)  # fmt: skip
_MOST_DEEP = 60


@dataclass(frozen=True, slots=True)
class Dialect:
    """``limits``: keywords on single values that it knows. ``closed``: objects must name all that they may have;
    ``all_required``: and must have all of it. ``recursive``: schemas may refer to themselves."""

    limits: frozenset[str]
    closed: bool
    all_required: bool
    recursive: bool
    most_min_items: int | None = None
    enum_types: tuple[type, ...] = (str, int, float, bool, type(None))


OPENAI_STRICT = Dialect(
    limits=frozenset(
        {"pattern", "format", "multipleOf", "minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "minItems",
         "maxItems"}
    ),
    closed=True,
    all_required=True,
    recursive=True,
)  # fmt: skip
ANTHROPIC = Dialect(
    limits=frozenset({"format", "minItems"}),
    closed=True,
    all_required=False,
    recursive=False,
    most_min_items=1,
)
GEMINI = Dialect(
    limits=frozenset({"format", "minimum", "maximum", "minItems", "maxItems"}),
    closed=False,
    all_required=False,
    recursive=False,
    enum_types=(str, int, float),
)


class _CannotBeSaid(Exception):
    """The schema has something that the dialect has no way to say."""


def adapted(schema: Mapping[str, Any], dialect: Dialect) -> Schema | None:
    """The schema in this dialect; None when it cannot be said in it without changing what it asks for."""
    try:
        root = _inlined_root(schema)
        if not dialect.recursive and _goes_in_circles(root.get("$defs", {})):
            return None
        found = _Writer(dialect, root).write(root, 0)
    except _CannotBeSaid:
        return None
    return found if found.get("type") == "object" else None


def is_too_deep(schema: Mapping[str, Any]) -> bool:
    """Deeper than anyone writes, and than what reads it after us may bear."""
    level: list[object] = [schema]
    for _ in range(_MOST_DEEP * 4):
        level = [
            each
            for outer in level
            for each in (
                outer.values() if isinstance(outer, Mapping) else outer if isinstance(outer, list) else ()
            )
        ]
        if not level:
            return False
    return True


def in_words(schema: Mapping[str, Any]) -> str:
    """For models that nothing holds to a schema."""
    text = json.dumps(schema, ensure_ascii=False, separators=(",", ":"))
    return f"Answer with one JSON document and nothing around it. It must be valid against this JSON schema:\n{text}"


def _inlined_root(schema: Mapping[str, Any]) -> Schema:
    """The root must say that it is an object; it may do so by a reference to a definition."""
    root = dict(schema)
    if not isinstance(root.get("$defs", {}), Mapping):
        raise _CannotBeSaid
    for _ in range(_MOST_DEEP):
        reference = root.get("$ref")
        if reference is None:
            return root
        root = {**_resolved(reference, root), "$defs": root.get("$defs", {})}
    raise _CannotBeSaid


def _resolved(reference: object, root: Mapping[str, Any]) -> Mapping[str, Any]:
    prefix, _, name = str(reference).rpartition("/")
    target = root.get("$defs", {}).get(name)
    if prefix != "#/$defs" or not isinstance(target, Mapping):
        raise _CannotBeSaid
    return target


def _goes_in_circles(definitions: Mapping[str, Any]) -> bool:
    refers = {name: set(_references(each)) for name, each in definitions.items()}
    try:
        TopologicalSorter(refers).prepare()
    except CycleError:
        return True
    return False


def _references(schema: object) -> Iterator[str]:
    waiting = [schema]
    while waiting:
        each = waiting.pop()
        if isinstance(each, Mapping):
            if isinstance(reference := each.get("$ref"), str):
                yield reference.rpartition("/")[2]
            waiting.extend(each.values())
        elif isinstance(each, list):
            waiting.extend(each)


@dataclass(frozen=True, slots=True)
class _Writer:
    dialect: Dialect
    root: Mapping[str, Any]

    def write(self, schema: object, depth: int) -> Schema:
        if not isinstance(schema, Mapping) or depth > _MOST_DEEP or not _SHAPING.isdisjoint(schema):
            raise _CannotBeSaid
        if "$ref" in schema:
            _resolved(schema["$ref"], self.root)
            return {"$ref": schema["$ref"]}
        schema = _merged(schema)
        found: Schema = {key: schema[key] for key in ("type", *sorted(_WORDS)) if key in schema}
        self._values(schema, found)
        if "anyOf" in schema or "oneOf" in schema:
            options = schema.get("anyOf", schema.get("oneOf"))
            if not isinstance(options, list) or ("anyOf" in schema and "oneOf" in schema):
                raise _CannotBeSaid
            found["anyOf"] = [self.write(option, depth + 1) for option in options]
        if _may_be(schema, "object"):
            self._object(schema, found, depth)
        if _may_be(schema, "array"):
            self._array(schema, found, depth)
        if depth == 0 and schema.get("$defs"):
            found["$defs"] = {name: self.write(each, 1) for name, each in sorted(schema["$defs"].items())}
        return self._limits(schema, found)

    def _values(self, schema: Mapping[str, Any], found: Schema) -> None:
        values = [schema["const"]] if "const" in schema else schema.get("enum")
        if values is None:
            return
        if not isinstance(values, list) or not all(
            isinstance(each, self.dialect.enum_types) for each in values
        ):
            raise _CannotBeSaid
        if bool not in self.dialect.enum_types and any(isinstance(each, bool) for each in values):
            raise _CannotBeSaid
        found["enum"] = values

    def _object(self, schema: Mapping[str, Any], found: Schema, depth: int) -> None:
        properties = schema.get("properties", {})
        required = schema.get("required", [])
        others = schema.get("additionalProperties")
        if not isinstance(properties, Mapping) or not isinstance(required, list):
            raise _CannotBeSaid
        if not all(isinstance(name, str) for name in required) or any(
            name not in properties for name in required
        ):
            raise _CannotBeSaid
        if self.dialect.closed and (others not in (None, False) or "properties" not in schema):
            raise _CannotBeSaid
        if self.dialect.all_required and set(required) != set(properties):
            # To require what may be missing would make the model invent it.
            raise _CannotBeSaid
        found["properties"] = {name: self.write(each, depth + 1) for name, each in properties.items()}
        found["required"] = required
        if self.dialect.closed or others is False:
            found["additionalProperties"] = False
        elif others not in (None, True):
            found["additionalProperties"] = self.write(others, depth + 1)

    def _array(self, schema: Mapping[str, Any], found: Schema, depth: int) -> None:
        if "prefixItems" in schema:
            raise _CannotBeSaid
        if "items" in schema:
            found["items"] = self.write(schema["items"], depth + 1)
        elif self.dialect.closed:
            raise _CannotBeSaid

    def _limits(self, schema: Mapping[str, Any], found: Schema) -> Schema:
        known: Schema = {}
        told: Schema = {}
        for key, value in schema.items():
            if (
                key in _STRUCTURE
                or key in _WORDS
                or key in {"const", "oneOf", "allOf", "$schema", "default", "examples"}
            ):
                continue
            (known if self._takes(key, value) else told)[key] = value
        found |= known
        if told:
            words = ", ".join(
                f"{key}: {json.dumps(value, ensure_ascii=False)}" for key, value in told.items()
            )
            found["description"] = f"{found.get('description', '')} ({words})".strip()
        return found

    def _takes(self, key: str, value: object) -> bool:
        if key == "format":
            return "format" in self.dialect.limits and isinstance(value, str) and value in _FORMATS
        if key == "minItems" and self.dialect.most_min_items is not None:
            return isinstance(value, int) and value <= self.dialect.most_min_items
        return key in self.dialect.limits


def _merged(schema: Mapping[str, Any]) -> Mapping[str, Any]:
    """``allOf`` of one is that one: it is how some write a reference with a description."""
    parts = schema.get("allOf")
    if parts is None:
        return schema
    if (
        not isinstance(parts, list)
        or len(parts) != 1
        or not isinstance(parts[0], Mapping)
        or "$ref" in parts[0]
    ):
        raise _CannotBeSaid
    rest = {key: value for key, value in schema.items() if key != "allOf"}
    if not (set(rest) & set(parts[0])) <= _WORDS or not _SHAPING.isdisjoint(parts[0]):
        raise _CannotBeSaid
    return _merged({**parts[0], **rest})


def _may_be(schema: Mapping[str, Any], kind: str) -> bool:
    found = schema.get("type")
    return found == kind or (isinstance(found, list) and kind in found)
