"""Schemas in the dialects of three providers: what may be answered stays what it was, but for limits on values."""

import json
from collections.abc import Mapping
from typing import Any

import jsonschema_rs
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hone_generator.artifacts.mermaid_erd.schema import whole_schema
from hone_generator.providers.schema_dialects import (
    ANTHROPIC,
    GEMINI,
    OPENAI_STRICT,
    Dialect,
    Schema,
    adapted,
    in_words,
)

DIALECTS = {"openai": OPENAI_STRICT, "anthropic": ANTHROPIC, "gemini": GEMINI}
LIMITS = {
    "minLength", "maxLength", "pattern", "format", "minimum", "maximum", "multipleOf", "minItems", "maxItems",
    "uniqueItems",
}  # fmt: skip
NAMES = st.sampled_from(["name", "type", "items", "properties", "required", "note"])
DEFINITIONS = ["Leaf", "Node"]


def scalars() -> st.SearchStrategy[Schema]:
    text = st.fixed_dictionaries(
        {"type": st.just("string")},
        optional={
            "minLength": st.integers(0, 2),
            "maxLength": st.integers(3, 9),
            "pattern": st.just("^[a-z]*$"),
            "format": st.sampled_from(["date", "regex"]),
            "title": st.just("A title"),
            "description": st.just("What it is."),
        },
    )
    number = st.fixed_dictionaries(
        {"type": st.sampled_from(["integer", "number"])},
        optional={"minimum": st.just(0), "maximum": st.just(100), "multipleOf": st.just(1)},
    )
    fixed = st.one_of(
        st.builds(
            lambda values: {"enum": values}, st.lists(st.sampled_from(["a", "b", 1]), min_size=1, unique=True)
        ),
        st.just({"const": "x"}),
        st.just({"type": "boolean"}),
        st.just({"type": ["string", "null"]}),
        st.just({"type": "null"}),
    )
    return st.one_of(
        text, number, fixed, st.builds(lambda name: {"$ref": f"#/$defs/{name}"}, st.sampled_from(DEFINITIONS))
    )


@st.composite
def objects(draw: st.DrawFn, of: st.SearchStrategy[Schema]) -> Schema:
    properties = draw(st.dictionaries(NAMES, of, min_size=1, max_size=4))
    optional = draw(st.sets(st.sampled_from(sorted(properties)))) if draw(st.booleans()) else set()
    found: Schema = {
        "type": "object",
        "properties": properties,
        "required": sorted(set(properties) - optional),
    }
    if draw(st.booleans()):
        found["additionalProperties"] = draw(st.sampled_from([False, False, True, {"type": "string"}]))
    return found


def nested(of: st.SearchStrategy[Schema]) -> st.SearchStrategy[Schema]:
    options = st.lists(of, min_size=1, max_size=3)
    return st.one_of(
        objects(of),
        st.fixed_dictionaries(
            {"type": st.just("array"), "items": of},
            optional={"minItems": st.integers(0, 2), "uniqueItems": st.just(True)},
        ),
        st.builds(lambda schemas: {"anyOf": schemas}, options),
        st.builds(lambda schemas: {"oneOf": schemas}, options),
        st.builds(lambda schema: {"allOf": [schema], "description": "of one"}, objects(of)),
    )


@st.composite
def schemas(draw: st.DrawFn) -> Schema:
    anything = st.recursive(scalars(), nested, max_leaves=6)
    root = draw(objects(anything))
    node = {"type": "object", "properties": {"leaf": {"$ref": "#/$defs/Leaf"}}, "required": ["leaf"]}
    if draw(st.booleans()):
        node["properties"] |= {"next": {"$ref": "#/$defs/Node"}}  # type: ignore[operator]
    return {**root, "$defs": {"Leaf": {"type": "string", "maxLength": 5}, "Node": node}}


def documents(schema: Mapping[str, Any], root: Mapping[str, Any], depth: int = 0) -> st.SearchStrategy[Any]:
    """Mostly of the schema's structure, whatever its limits say."""
    if "$ref" in schema:
        return documents(root["$defs"][schema["$ref"].rpartition("/")[2]], root, depth + 1)
    if "enum" in schema or "const" in schema:
        return st.sampled_from(schema.get("enum", [schema.get("const")]))
    for key in ("anyOf", "oneOf", "allOf"):
        if key in schema:
            return st.one_of([documents(option, root, depth + 1) for option in schema[key]])
    kind = schema.get("type")
    match kind[0] if isinstance(kind, list) else kind:
        case "object":
            required = {
                name: documents(schema["properties"][name], root, depth + 1) for name in schema["required"]
            }
            rest = {
                name: documents(each, root, depth + 1)
                for name, each in schema["properties"].items()
                if name not in required and depth < 4
            }
            return st.fixed_dictionaries(required, optional=rest)
        case "array":
            return st.lists(documents(schema["items"], root, depth + 1), max_size=3)
        case "string":
            return st.sampled_from(["", "abc", "long enough", "2026-11-21"])
        case "integer" | "number":
            return st.integers(-2, 120)
        case "boolean":
            return st.booleans()
    return st.none()


@st.composite
def spoiled(draw: st.DrawFn, document: Any) -> Any:
    """Somewhere in it something is missing, too much, or of another type."""
    if isinstance(document, dict) and document and draw(st.booleans()):
        name = draw(st.sampled_from(sorted(document)))
        change = draw(st.sampled_from(["drop", "add", "deeper"]))
        if change == "drop":
            return {key: value for key, value in document.items() if key != name}
        if change == "add":
            return {**document, "surplus": 1}
        return {**document, name: draw(spoiled(document[name]))}
    if isinstance(document, list) and document and draw(st.booleans()):
        return [draw(spoiled(document[0])), *document[1:]]
    return draw(st.sampled_from([None, 7, "other", [], {}, [None], True]))


def without_limits(schema: Any) -> Any:
    """The structure alone: no limits on values, and one of several alternatives may be several."""
    if isinstance(schema, list):
        return [without_limits(each) for each in schema]
    if not isinstance(schema, dict):
        return schema
    found = {}
    for key, value in schema.items():
        if key in {"properties", "$defs"}:
            found[key] = {name: without_limits(each) for name, each in value.items()}
        elif key in {"enum", "const", "required"}:
            found[key] = value
        elif key not in LIMITS:
            found["anyOf" if key == "oneOf" else key] = without_limits(value)
    return found


def accepts(schema: Mapping[str, Any], document: Any) -> bool:
    return jsonschema_rs.Draft202012Validator(dict(schema)).is_valid(document)


@settings(max_examples=60)
@given(schemas(), st.sampled_from(sorted(DIALECTS)), st.data())
def test_what_a_dialect_accepts_has_the_structure_that_was_asked_for(
    schema: Schema, name: str, data: st.DataObject
) -> None:
    found = adapted(schema, DIALECTS[name])
    if found is None:
        return
    document = data.draw(documents(found, found))
    spoilt = data.draw(spoiled(document))
    structure = without_limits(schema)
    for each in (document, spoilt):
        if accepts(found, each):
            assert accepts(structure, each)


@settings(max_examples=60)
@given(schemas(), st.sampled_from(sorted(DIALECTS)), st.data())
def test_what_was_asked_for_can_still_be_answered(schema: Schema, name: str, data: st.DataObject) -> None:
    """Of documents with no more than what the schema names."""
    found = adapted(schema, DIALECTS[name])
    if found is None:
        return
    document = data.draw(documents(schema, schema))
    if accepts(schema, document):
        assert accepts(found, document)


@settings(max_examples=60)
@given(schemas())
def test_a_dialect_says_only_what_its_provider_knows(schema: Schema) -> None:
    for dialect in DIALECTS.values():
        found = adapted(schema, dialect)
        if found is not None:
            assert found["type"] == "object"
            for each in inner(found):
                check(each, dialect)


def inner(schema: Any) -> list[Schema]:
    found = [schema]
    for key, value in schema.items():
        if key in {"properties", "$defs"}:
            found += [each for one in value.values() for each in inner(one)]
        elif key == "anyOf":
            found += [each for one in value for each in inner(one)]
        elif key == "items" or (key == "additionalProperties" and isinstance(value, dict)):
            found += inner(value)
    return found


def check(schema: Schema, dialect: Dialect) -> None:
    known = {
        "type", "properties", "required", "additionalProperties", "items", "anyOf", "enum", "$ref", "$defs", "title",
        "description",
    }  # fmt: skip
    assert set(schema) <= known | dialect.limits
    if "$ref" in schema:
        assert set(schema) == {"$ref"}
    if schema.get("type") == "object" and dialect.closed:
        assert schema["additionalProperties"] is False
    if schema.get("type") == "object" and dialect.all_required:
        assert set(schema["required"]) == set(schema["properties"])
    if dialect.most_min_items is not None:
        assert schema.get("minItems", 0) <= dialect.most_min_items


@pytest.mark.parametrize("dialect", DIALECTS.values(), ids=DIALECTS)
def test_the_schemas_that_hone_asks_with_can_be_said_in_every_dialect(dialect: Dialect) -> None:
    assert adapted(whole_schema(), dialect) is not None


def test_limits_that_a_dialect_does_not_know_are_told_in_words() -> None:
    schema = {
        "type": "object",
        "properties": {
            "name": {"type": "string", "description": "Its name.", "maxLength": 9, "pattern": "^a"}
        },
        "required": ["name"],
    }
    found = adapted(schema, ANTHROPIC)
    assert found is not None
    assert found["properties"]["name"] == {
        "type": "string",
        "description": 'Its name. (maxLength: 9, pattern: "^a")',
    }


@pytest.mark.parametrize(
    ("schema", "dialects"),
    [
        (
            {"type": "object", "properties": {"a": {"type": "string"}}, "required": []},
            {"anthropic", "gemini"},
        ),
        ({"type": "object", "additionalProperties": {"type": "string"}}, {"gemini"}),
        ({"type": "object", "properties": {}, "required": ["a"]}, set()),
        ({"type": "array", "items": {"type": "string"}}, set()),
        ({"type": "object", "properties": {}, "patternProperties": {"^a": {}}}, set()),
        ({"type": "object", "properties": {}, "not": {"required": ["a"]}}, set()),
        ({"$ref": "https://example.org/schema"}, set()),
        ({"$ref": "#/$defs/A", "$defs": {"A": {"$ref": "#/$defs/A"}}}, set()),
        (
            {"$ref": "#/$defs/A", "$defs": {"A": {"type": "object", "properties": {}}}},
            {"openai", "anthropic", "gemini"},
        ),
        (
            {
                "$ref": "#/$defs/A",
                "$defs": {
                    "A": {
                        "type": "object",
                        "properties": {"a": {"anyOf": [{"$ref": "#/$defs/A"}, {"type": "null"}]}},
                        "required": ["a"],
                    }
                },
            },
            {"openai"},
        ),
        ({"type": "object", "properties": {"a": True}, "required": ["a"]}, set()),
        ({"allOf": [{"type": "object", "properties": {}}, {"type": "object", "properties": {}}]}, set()),
    ],
)
def test_what_a_dialect_cannot_say_it_does_not_say(schema: Schema, dialects: set[str]) -> None:
    assert {name for name, dialect in DIALECTS.items() if adapted(schema, dialect) is not None} == dialects


def test_many_references_and_deep_schemas_take_no_time() -> None:
    doubling: Schema = {
        "type": "object",
        "properties": {"a": {"$ref": "#/$defs/D40"}},
        "required": ["a"],
        "$defs": {"D0": {"type": "object", "properties": {}}},
    }
    for i in range(1, 41):
        both = {name: {"$ref": f"#/$defs/D{i - 1}"} for name in ("a", "b")}
        doubling["$defs"][f"D{i}"] = {"type": "object", "properties": both, "required": ["a", "b"]}
    assert adapted(doubling, GEMINI) is not None
    deep: Schema = {"type": "string"}
    for _ in range(5_000):
        deep = {"type": "object", "properties": {"a": deep}, "required": ["a"]}
    assert adapted(deep, OPENAI_STRICT) is None


def test_in_words_the_schema_is_whole() -> None:
    text = in_words(whole_schema())
    assert json.loads(text.partition("\n")[2]) == whole_schema()
