"""Getting an artifact out of free text: what is asked for stands in a fence, after a sentence, or alone.

For models that no grammar holds. What is cut off around the artifact is the purity validator's business only when it
stays in the content, so nothing is lost by being strict here: the one thing asked for, or Unreadable.
"""

import json
import re
from collections.abc import Iterator
from typing import Any

_FENCE = re.compile(
    r"^[ \t]*+(?P<ticks>`{3,}+|~{3,}+)[ \t]*+(?P<language>[\w+#.-]*+)[^\n`]*+\n(?P<body>.*?)"
    r"(?:^[ \t]*+(?P=ticks)|\Z)",
    re.MULTILINE | re.DOTALL,
)
_THOUGHT = re.compile(r"<think(?:ing)?>.*?(?:</think(?:ing)?>|\Z)", re.DOTALL | re.IGNORECASE)
_MOST_STARTS = 64  # places where a document could begin; a hostile answer has thousands


class Unreadable(Exception):
    """The answer is not what was asked for. The message is for the model as much as for a person."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


def json_document(answer: str) -> dict[str, Any]:
    """The JSON object of an answer: the whole of it, a fence's, or the longest one in the text. Raises Unreadable."""
    text = without_thoughts(answer).strip()
    problem = "there is no JSON object in the answer; answer with the JSON document alone"
    for candidate in (text, *(body for _, body in fences(text))):
        try:
            found = json.loads(candidate)
        except ValueError as error:
            if candidate.lstrip().startswith("{"):
                problem = f"the JSON document is broken: {error}; answer with the whole document"
            continue
        except RecursionError:
            raise Unreadable("the JSON document is nested too deep; make it flat") from None
        if isinstance(found, dict):
            return found
        problem = f"the JSON document is a {type(found).__name__}, not an object; answer with one object"
    found_within = max(_objects_within(text), key=lambda each: each[0], default=None)
    if found_within is None:
        raise Unreadable(problem)
    return found_within[1]


def fenced(answer: str, languages: frozenset[str]) -> str:
    """The artifact's own text: the longest fence of one of these languages (or of none), else the whole answer."""
    text = without_thoughts(answer).strip()
    bodies = [body for language, body in fences(text) if language.lower() in languages or not language]
    return max(bodies, key=len).strip("\n") if bodies else text


def fences(text: str) -> Iterator[tuple[str, str]]:
    """Language and body of each fenced block; the last one may be cut off."""
    for match in _FENCE.finditer(text):
        yield match["language"], match["body"]


def without_thoughts(answer: str) -> str:
    """What reasoning models think aloud is not their answer."""
    return _THOUGHT.sub("", answer)


def _objects_within(text: str) -> Iterator[tuple[int, dict[str, Any]]]:
    decoder = json.JSONDecoder()
    place = -1
    for _ in range(_MOST_STARTS):
        place = text.find("{", place + 1)
        if place < 0:
            return
        try:
            found, end = decoder.raw_decode(text, place)
        except (ValueError, RecursionError):
            continue
        if isinstance(found, dict):
            yield end - place, found
            place = end - 1
