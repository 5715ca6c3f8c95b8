"""Schemas of the kind that models are asked with, documents of their structure, and documents that are spoiled."""

from collections.abc import Mapping
from typing import Any

from hypothesis import strategies as st

from hone_generator.providers.schema_dialects import Schema

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
