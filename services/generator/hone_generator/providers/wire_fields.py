"""JSON that a server sends, which may be anything. All of these raise BadProviderAnswer."""

import json
from collections.abc import Mapping
from typing import Any

from hone_generator.providers.errors import BadProviderAnswer

Document = dict[str, Any]

_MOST = 10**15  # bytes of a model, and above all tokens; prices of more would overflow
_LARGEST = 1e38  # what vectors are kept as has no larger numbers


def document(provider: str, text: str | bytes) -> Document:
    """A JSON object."""
    try:
        parsed = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise BadProviderAnswer(provider, f"this is not JSON: {_shown(text)}") from error
    if not isinstance(parsed, dict):
        raise BadProviderAnswer(provider, f"this is not a JSON object: {_shown(text)}")
    return parsed


class Fields:
    """Reads the documents of one provider. What is missing or null is empty."""

    def __init__(self, provider: str) -> None:
        self._provider = provider

    def text(self, mapping: Mapping[str, Any], key: str) -> str:
        value = mapping.get(key)
        if value is None or isinstance(value, str):
            return value or ""
        raise self._wrong(key, "text", value)

    def count(self, mapping: Mapping[str, Any], key: str) -> int | None:
        value = mapping.get(key)
        if value is None or (isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= _MOST):
            return value
        raise self._wrong(key, "a count", value)

    def mapping(self, mapping: Mapping[str, Any], key: str) -> Mapping[str, Any]:
        value = mapping.get(key)
        if value is None or isinstance(value, dict):
            return value or {}
        raise self._wrong(key, "an object", value)

    def items(self, mapping: Mapping[str, Any], key: str) -> list[Any]:
        value = mapping.get(key)
        if value is None or isinstance(value, list):
            return value or []
        raise self._wrong(key, "a list", value)

    def mappings(self, mapping: Mapping[str, Any], key: str) -> list[Mapping[str, Any]]:
        value = mapping.get(key)
        if value is None:
            return []
        if isinstance(value, list) and all(isinstance(each, dict) for each in value):
            return value
        raise self._wrong(key, "a list of objects", value)

    def vector(self, mapping: Mapping[str, Any], key: str) -> list[float]:
        value = mapping.get(key)
        if isinstance(value, list) and value and all(_is_finite(each) for each in value):
            return [float(each) for each in value]
        raise self._wrong(key, "a list of numbers", value)

    def _wrong(self, key: str, wanted: str, value: object) -> BadProviderAnswer:
        return BadProviderAnswer(self._provider, f"{key!r} is not {wanted}: {str(value)[:80]!r}")


def _is_finite(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) <= _LARGEST


def _shown(text: str | bytes) -> str:
    return repr(text[:80] if isinstance(text, str) else text[:80].decode(errors="replace"))
