"""Reading answers that may be anything: a field is there with its type, or the error says which is not."""

from __future__ import annotations

from typing import Any, TypeVar

from hone.cli.errors import BadAnswer

T = TypeVar("T")

Document = dict[str, Any]


def field(document: Document, name: str, kind: type[T]) -> T:
    value = document.get(name)
    if not isinstance(value, kind):
        raise BadAnswer(f"lacks `{name}`")
    return value


def documents(document: Document, name: str) -> list[Document]:
    """A list of objects."""
    values = field(document, name, list)
    if not all(isinstance(value, dict) for value in values):
        raise BadAnswer(f"has no objects in `{name}`")
    return values


def optional(document: Document, name: str, kind: type[T]) -> T | None:
    value = document.get(name)
    return value if isinstance(value, kind) else None
