"""JSON as Ollama sends it, read with suspicion: a value of another kind than expected raises BadProviderAnswer."""

import json
from collections.abc import Mapping
from typing import Any

from hone_generator.providers.errors import BadProviderAnswer

PROVIDER = "ollama"
Document = dict[str, Any]


def document(content: bytes) -> Document:
    """A JSON object."""
    try:
        parsed = json.loads(content)
    except (ValueError, RecursionError) as error:
        raise BadProviderAnswer(PROVIDER, f"this is not JSON: {_shown(content)}") from error
    if not isinstance(parsed, dict):
        raise BadProviderAnswer(PROVIDER, f"this is not a JSON object: {_shown(content)}")
    return parsed


def text(mapping: Mapping[str, Any], key: str) -> str:
    """Empty where there is none."""
    value = mapping.get(key)
    if value is None:
        return ""
    if not isinstance(value, str):
        raise BadProviderAnswer(PROVIDER, f"{key!r} is not text: {str(value)[:80]}")
    return value


def count(mapping: Mapping[str, Any], key: str) -> int | None:
    value = mapping.get(key)
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int) or value < 0:
        raise BadProviderAnswer(PROVIDER, f"{key!r} is not a count: {str(value)[:80]}")
    return value


def inner(mapping: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    """The object there; empty where there is none."""
    value = mapping.get(key)
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise BadProviderAnswer(PROVIDER, f"{key!r} is not an object: {str(value)[:80]}")
    return value


def items(mapping: Mapping[str, Any], key: str) -> list[Any]:
    """The list there; empty where there is none."""
    value = mapping.get(key)
    if value is None:
        return []
    if not isinstance(value, list):
        raise BadProviderAnswer(PROVIDER, f"{key!r} is not a list: {str(value)[:80]}")
    return value


def _shown(content: bytes) -> str:
    return repr(content[:80].decode(errors="replace"))
