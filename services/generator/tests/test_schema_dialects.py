"""Schemas in the dialects of three providers: what may be answered stays what it was, but for limits on values."""

import json
import time
from collections.abc import Mapping
from typing import Any

import jsonschema_rs
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from schema_strategies import documents, schemas, spoiled

from hone_generator.artifacts.held import schema_of
from hone_generator.artifacts.mermaid_erd.schema import WholeAnswer
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
    assert adapted(schema_of(WholeAnswer).schema, dialect) is not None


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
    text = in_words(schema_of(WholeAnswer).schema)
    assert json.loads(text.partition("\n")[2]) == schema_of(WholeAnswer).schema


@pytest.mark.parametrize("dialect", DIALECTS.values(), ids=DIALECTS)
def test_a_long_chain_of_references_takes_no_longer_than_its_length_demands(dialect: Dialect) -> None:
    chain: dict[str, Any] = {
        f"a{n}": {"type": "object", "properties": {"b": {"$ref": f"#/$defs/a{n + 1}"}}} for n in range(8000)
    }
    schema = {"type": "object", "properties": {"a": {"$ref": "#/$defs/a0"}}, "$defs": chain}
    begun = time.monotonic()
    adapted(schema, dialect)
    assert time.monotonic() - begun < 3  # the square of it took seven seconds


@pytest.mark.parametrize("dialect", DIALECTS.values(), ids=DIALECTS)
@pytest.mark.parametrize(
    "schema",
    [
        {"type": "object", "properties": ["a"]},
        {"type": "object", "properties": {}, "required": 5},
        {"type": "object", "properties": {}, "required": [{}]},
        {"type": "object", "properties": {"a": {"type": "string", "format": []}}, "$defs": []},
        {"$ref": "#/$defs/a", "$defs": 3},
    ],
)
def test_a_schema_that_is_none_cannot_be_said(schema: dict[str, Any], dialect: Dialect) -> None:
    assert adapted(schema, dialect) is None


@pytest.mark.parametrize("dialect", DIALECTS.values(), ids=DIALECTS)
def test_a_format_that_is_no_word_is_told_as_it_stands(dialect: Dialect) -> None:
    schema = {
        "type": "object", "properties": {"a": {"type": "string", "format": ["x"]}}, "required": ["a"],
        "additionalProperties": False,
    }  # fmt: skip
    found = adapted(schema, dialect)
    assert found is not None
    assert 'format: ["x"]' in found["properties"]["a"]["description"]
