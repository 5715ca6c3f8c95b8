"""Where things stand in an OpenAPI document, whatever its shape: models write anything."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from hone_generator.artifacts.document import Path
from hone_generator.artifacts.openapi.answer import METHODS

_ALL_METHODS = (*METHODS, "head", "options", "trace")
# Values, in which nothing is a schema or a reference; but where names are free (the response `default`, a property
# that is called `example`) these are names as any other.
_OPAQUE = frozenset({"example", "examples", "default", "enum", "const"})
_OF_FREE_NAMES = frozenset(
    {"responses", "properties", "patternProperties", "dependentSchemas", "$defs", "schemas", "parameters", "headers",
     "requestBodies", "links", "callbacks", "pathItems", "encoding", "content", "paths", "webhooks"}
)  # fmt: skip


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
                elif not _is_value(path, key, extensions=True):
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
                if not _is_value(path, key):
                    waiting.append(((*path, key), each))


def _is_value(path: Path, key: str, *, extensions: bool = False) -> bool:
    """Of a member of the object at the path."""
    return (key in _OPAQUE or (extensions and key.startswith("x-"))) and not _names_are_free(path)


def _names_are_free(path: Path) -> bool:
    """A property may be called ``properties``, so of such names in a row each second one is somebody's choice."""
    run = 0
    while run < len(path) and path[-1 - run] in _OF_FREE_NAMES:
        run += 1
    return run % 2 == 1
