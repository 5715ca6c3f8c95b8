"""Where things stand in an OpenAPI document, whatever its shape: models write anything."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from hone_generator.artifacts.document import Path
from hone_generator.artifacts.openapi.answer import METHODS

_ALL_METHODS = (*METHODS, "head", "options", "trace")
_OPAQUE = frozenset({"example", "examples", "default", "enum", "const"})


@dataclass(frozen=True, slots=True)
class Operation:
    path: Path
    method: str
    template: str
    value: dict[str, Any]
    item: dict[str, Any]


def operations(document: Any) -> Iterator[Operation]:
    for template, item in pairs(document, "paths"):
        for method in _ALL_METHODS:
            if isinstance(item, dict) and isinstance(item.get(method), dict):
                yield Operation(("paths", template, method), method, template, item[method], item)


def pairs(value: Any, *keys: str) -> list[tuple[str, Any]]:
    """Names and values of the object that lies at the keys; none where there is no object."""
    for key in keys:
        value = value.get(key) if isinstance(value, dict) else None
    return list(value.items()) if isinstance(value, dict) else []


def listed(value: Any, key: str) -> list[Any]:
    """The list that lies at the key; empty where there is none."""
    found = value.get(key) if isinstance(value, dict) else None
    return found if isinstance(found, list) else []


def schema_roots(document: Any) -> Iterator[tuple[Path, Any]]:
    """Each schema that stands in no other: the named ones, and those of parameters, bodies and headers."""
    named = pairs(document, "components", "schemas")
    yield from ((("components", "schemas", name), schema) for name, schema in named)
    waiting: list[tuple[Path, Any]] = [((), document)]
    while waiting:
        path, value = waiting.pop()
        if isinstance(value, list):
            waiting += [((*path, index), each) for index, each in reversed(list(enumerate(value)))]
        elif isinstance(value, dict):
            for key, each in reversed(list(value.items())):
                if key == "schema":
                    yield (*path, key), each
                elif path == ("components",) and key == "schemas":
                    continue
                elif key not in _OPAQUE and not key.startswith("x-"):
                    waiting.append(((*path, key), each))


def references(document: Any) -> Iterator[tuple[Path, str]]:
    """All references, of schemas and of everything else; a property that is called ``$ref`` is none."""
    waiting: list[tuple[Path, Any]] = [((), document)]
    while waiting:
        path, value = waiting.pop()
        if isinstance(value, list):
            waiting += [((*path, index), each) for index, each in reversed(list(enumerate(value)))]
        elif isinstance(value, dict):
            if isinstance(value.get("$ref"), str) and path[-1:] != ("properties",):
                yield path, value["$ref"]
            for key, each in reversed(list(value.items())):
                if key not in _OPAQUE or path[-1:] in (("properties",), ("schemas",)):
                    waiting.append(((*path, key), each))
