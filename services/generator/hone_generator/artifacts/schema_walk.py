"""All subschemas of a JSON schema, wherever they stand, and what is wrong with each: the metaschema accepts bounds
that contradict each other, patterns that are none and required properties that are not there."""

from collections.abc import Iterator
from typing import Any, TypeGuard
from urllib.parse import unquote

from hone_generator.artifacts.document import Document, Path
from hone_generator.artifacts.object_types import pattern_problem
from hone_generator.validators.flaws import MISSING, WRONG, Flaw

_BY_NAME = ("properties", "$defs", "definitions", "patternProperties", "dependentSchemas")
_LISTS = ("allOf", "anyOf", "oneOf", "prefixItems")
_SINGLE = (
    "items", "additionalProperties", "unevaluatedProperties", "unevaluatedItems", "propertyNames", "contains", "not",
    "if", "then", "else", "contentSchema",
)  # fmt: skip
_BOUNDS = (("minimum", "maximum"), ("minLength", "maxLength"), ("minItems", "maxItems"),
           ("minProperties", "maxProperties"), ("exclusiveMinimum", "exclusiveMaximum"))  # fmt: skip
_OF_TYPE: dict[str, tuple[type, ...]] = {
    "string": (str,), "integer": (int,), "number": (int, float), "boolean": (bool,), "object": (dict,),
    "array": (list,), "null": (type(None),),
}  # fmt: skip


def subschemas(schema: Any, path: Path = ()) -> Iterator[tuple[Path, dict[str, Any]]]:
    """Each schema that is an object, the outermost first, with its path."""
    waiting: list[tuple[Path, Any]] = [(path, schema)]
    while waiting:
        place, found = waiting.pop()
        if not isinstance(found, dict):
            continue
        yield place, found
        inner: list[tuple[Path, Any]] = []
        for key in _BY_NAME:
            if isinstance(found.get(key), dict):
                inner += [((*place, key, name), each) for name, each in found[key].items()]
        for key in _LISTS:
            if isinstance(found.get(key), list):
                inner += [((*place, key, index), each) for index, each in enumerate(found[key])]
        inner += [((*place, key), found[key]) for key in _SINGLE if key in found]
        waiting += reversed(inner)


def schema_flaws(path: Path, schema: dict[str, Any], document: Document) -> Iterator[Flaw]:
    """What is wrong within one schema, that no metaschema sees."""
    where = f"{document.at(path)}{shown(path)}"
    yield from _required_flaws(where, schema)
    for least, most in _BOUNDS:
        low, high = schema.get(least), schema.get(most)
        if _is_number(low) and _is_number(high) and low > high:
            yield Flaw(WRONG, f"{where}: {least} {low} is more than {most} {high}: correct one of them")
    pattern = schema.get("pattern")
    if isinstance(pattern, str) and (problem := pattern_problem(pattern)):
        yield Flaw(WRONG, f"{where}: its pattern {problem}")
    yield from _enum_flaws(where, schema)


def _required_flaws(where: str, schema: dict[str, Any]) -> Iterator[Flaw]:
    required, properties = schema.get("required"), schema.get("properties")
    elsewhere = any(key in schema for key in ("allOf", "anyOf", "oneOf", "$ref", "patternProperties", "if"))
    if isinstance(required, list) and isinstance(properties, dict) and not elsewhere:
        for name in required:
            if isinstance(name, str) and name not in properties:
                yield Flaw(
                    WRONG,
                    f"{where}: requires {name[:60]}, which is no property: add it or leave it out of required",
                )


def _enum_flaws(where: str, schema: dict[str, Any]) -> Iterator[Flaw]:
    values, kinds = schema.get("enum"), schema.get("type")
    if isinstance(values, list) and not values:
        yield Flaw(WRONG, f"{where}: its enum is empty, so nothing is valid: list the values")
    allowed = [kinds] if isinstance(kinds, str) else kinds if isinstance(kinds, list) else []
    types = tuple(each for kind in allowed if isinstance(kind, str) for each in _OF_TYPE.get(kind, ()))
    if not types:
        return
    stated = [("enum", value) for value in values] if isinstance(values, list) else []
    stated += [(key, schema[key]) for key in ("const", "default") if key in schema]
    for key, value in stated:
        wrong = not isinstance(value, types) or (isinstance(value, bool) and bool not in types)
        if wrong:
            yield Flaw(
                MISSING, f"{where}: {key} {str(value)[:40]!r} is not of type {'/'.join(map(str, allowed))}"
            )


def _is_number(value: Any) -> TypeGuard[float]:
    return isinstance(value, int | float) and not isinstance(value, bool)


def shown(path: Path) -> str:
    """A path for people: Member.email of ("$defs", "Member", "properties", "email")."""
    skipped = {"properties", "$defs", "definitions", "components", "schemas", "items"}
    kept = [str(each)[:60] for each in path if each not in skipped]
    return ".".join(kept)[:160] or "the document"


def pointed_to(reference: str) -> Path | None:
    """The path that a reference within the document spells (``#/$defs/Member``); None if it is no pointer."""
    if reference == "#":
        return ()
    if not reference.startswith("#/"):
        return None
    parts = unquote(reference[2:]).split("/")
    return tuple(part.replace("~1", "/").replace("~0", "~") for part in parts)


def resolve(value: Any, path: Path) -> tuple[bool, Path]:
    """Whether the path leads somewhere in a document, and the path with numbers for places in lists."""
    found: list[str | int] = []
    for part in path:
        if isinstance(value, dict) and part in value:
            value = value[part]
            found.append(part)
        elif (
            isinstance(value, list)
            and str(part).isdecimal()
            and len(str(part)) < 8
            and int(part) < len(value)
        ):
            value = value[int(part)]
            found.append(int(part))
        else:
            return False, tuple(found)
    return True, tuple(found)
