"""The tokens of a tokenizer.json that are found in a text before it is split."""

from __future__ import annotations

from typing import Any

from ..errors import SourceInvalid
from .checkpoint import JsonObject

_OVERLAPS_CHECKED_UP_TO = 2000  # comparing them is quadratic


def added_tokens(tokenizer: JsonObject) -> dict[int, dict[str, Any]]:
    added: dict[int, dict[str, Any]] = {}
    for entry in listed(tokenizer, "added_tokens"):
        match entry:
            case {"id": int(number), "content": str(content)} if content and number >= 0:
                added[number] = entry
            case _:
                raise SourceInvalid(
                    f"the added token {entry!r} in tokenizer.json is malformed", "save it again"
                )
    return added


def listed(part: JsonObject, name: str) -> list[Any]:
    """A list of a tokenizer.json, which may be left out. Raises SourceInvalid."""
    entries = part.get(name) or []
    if not isinstance(entries, list):
        raise SourceInvalid(f"{name} in tokenizer.json is no list", "save the tokenizer again")
    return entries


def check_added(added: dict[int, dict[str, Any]]) -> list[str]:
    warnings = [
        f"the added token {entry['content']!r} has {option}, which llama.cpp does not follow"
        for entry in added.values()
        for option in ("lstrip", "rstrip", "single_word")
        if entry.get(option)
    ]
    contents = [str(entry["content"]) for entry in added.values()]
    if len(contents) <= _OVERLAPS_CHECKED_UP_TO and (pair := _overlap(contents)):
        left, right = pair
        warnings.append(
            f"added tokens can overlap, as {left!r} and {right!r}: where they do, llama.cpp takes the longer one "
            "and transformers the one that comes first"
        )
    return warnings


def _overlap(contents: list[str]) -> tuple[str, str] | None:
    """Two tokens of which the later, longer one begins within the first."""
    beginnings: dict[str, list[str]] = {}
    for content in contents:
        for length in range(1, len(content)):
            beginnings.setdefault(content[:length], []).append(content)
    for left in contents:
        for start in range(1, len(left)):
            for right in beginnings.get(left[start:], []):
                if len(right) > len(left):
                    return left, right
    return None
