"""Types, members, limits and links of JSON schemas, for the validators that know no format."""

from collections.abc import Iterator, Sequence
from typing import Any

from hone_generator.artifacts.document import Document, Path
from hone_generator.artifacts.kind import Link, Name
from hone_generator.artifacts.schema_walk import pointed_to
from hone_generator.text import naming

Schemas = Sequence[tuple[Path, dict[str, Any]]]
_TYPES_AT = ("$defs", "definitions", "schemas")
_LIMITS = (
    "minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf", "minLength", "maxLength", "minItems",
    "maxItems", "const", "default",
)  # fmt: skip


def names_of(schemas: Schemas, document: Document) -> Iterator[Name]:
    types = {naming.identity(str(path[-1])) for path, _ in schemas if _is_type(path)}
    for path, schema in schemas:
        line = document.line(path)
        if _is_type(path):
            yield Name(str(path[-1]), "type", line)
        owner = str(path[-1]) if _is_type(path) else ""
        properties = schema.get("properties")
        for name in properties if isinstance(properties, dict) else ():
            yield Name(
                str(name), "member", document.line((*path, "properties", name)), _derived(name, owner, types)
            )
        for key in ("description", "title"):
            if isinstance(schema.get(key), str) and path:
                yield Name(schema[key], "prose", document.line((*path, key)))
        stated = schema.get("enum")
        limits = [
            *(stated if isinstance(stated, list) else ()),
            *(schema[key] for key in _LIMITS if key in schema),
        ]
        yield from (
            Name(str(each)[:200], "label", line) for each in limits if isinstance(each, str | int | float)
        )


def _is_type(path: Path) -> bool:
    return len(path) >= 2 and path[-2] in _TYPES_AT


def _derived(name: str, owner: str, types: set[str]) -> bool:
    """A key, or what holds the key of another type: those are added by convention."""
    own = naming.identity(name)
    if own in ("id", naming.identity(f"{owner} id")):
        return True
    return _referred(name) in types


def _referred(name: str) -> str:
    """The type that a property's name says it holds the key of: member_id, course_ids, parent_member_id."""
    words = naming.words_of(name)
    if len(words) < 2 or words[-1] not in ("id", "ids"):
        return ""
    return naming.identity(" ".join(words[:-1]))


def links_of(schemas: Schemas) -> Iterator[Link]:
    """From references between types, and from properties that hold another type's key."""
    types = {naming.identity(str(path[-1])): str(path[-1]) for path, _ in schemas if _is_type(path)}
    at = {path: str(path[-1]) for path, _ in schemas if _is_type(path)}
    for path, schema in schemas:
        owner = next((at[path[:length]] for length in range(len(path), 1, -1) if path[:length] in at), None)
        if owner is None:
            continue
        ref = schema.get("$ref")
        target = pointed_to(ref) if isinstance(ref, str) else None
        if target in at and at[target] != owner:
            yield Link(owner, at[target], None, "items" in path)
        properties = schema.get("properties")
        for name, each in properties.items() if isinstance(properties, dict) else ():
            other = types.get(_referred(name))
            if other is not None and other != owner:
                many = isinstance(each, dict) and each.get("type") == "array"
                yield Link(owner, other, None, many)
