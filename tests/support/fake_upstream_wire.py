"""How the three protocols write the same question and the same answer: OpenAI, Anthropic, Gemini.

Shapes as the vendors' API references and their own clients have them.
"""

import hashlib
import json
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from fake_upstream_http import HttpRequest

Document = dict[str, Any]


@dataclass(frozen=True)
class Asked:
    """A question, whichever protocol it came by. ``messages`` are pairs of role and text, the system's first."""

    protocol: str
    model: str
    messages: tuple[tuple[str, str], ...]
    schema: Mapping[str, Any] | None
    stream: bool
    with_usage: bool
    max_tokens: int | None
    temperature: float | None
    stop: tuple[str, ...]
    body: Mapping[str, Any]

    @property
    def text(self) -> str:
        """All that the model was told."""
        return "\n".join(text for _, text in self.messages)

    @property
    def prompt_tokens(self) -> int:
        return len(self.text.split()) + 3 * len(self.messages)


@dataclass(frozen=True)
class Answer:
    """What a model says. ``finish``: stop, length or refused. ``usage`` false leaves the counts out."""

    text: str
    finish: str = "stop"
    usage: bool = True

    @property
    def pieces(self) -> list[str]:
        """Words with the space before them; a short answer still comes in three pieces, so that it has a middle."""
        words = self.text.split(" ")
        parts = [words[0], *(f" {word}" for word in words[1:])]
        if len(parts) >= 3:
            return parts
        third = max(1, math.ceil(len(self.text) / 3))
        return [self.text[at : at + third] for at in range(0, len(self.text), third)]

    @property
    def tokens(self) -> int:
        return len(self.pieces)


class VendorProtocol(Protocol):
    """One vendor's way to write things."""

    name: str
    finishing: int  # so many of the closing events tell that the model is done

    def key(self, request: HttpRequest) -> str | None: ...

    def asked(self, request: HttpRequest, model: str) -> Asked: ...

    def opening(self, asked: Asked) -> list[bytes]: ...

    def piece(self, asked: Asked, text: str) -> bytes: ...

    def closing(self, asked: Asked, answer: Answer) -> list[bytes]: ...

    def whole(self, asked: Asked, answer: Answer) -> Document: ...

    def error(self, status: int, code: str, message: str, retry_after_s: float | None = None) -> Document: ...

    def error_event(self, message: str) -> bytes: ...

    def retry_headers(self, retry_after_s: float) -> dict[str, str]: ...

    def listing(self, names: Sequence[str]) -> Document: ...

    def embeddings(self, body: Mapping[str, Any], dimensions: int) -> Document: ...


def sse(data: object, event: str | None = None) -> bytes:
    text = data if isinstance(data, str) else json.dumps(data, ensure_ascii=False)
    return (f"event: {event}\n" if event else "").encode() + f"data: {text}\n\n".encode()


def vector(text: str, dimensions: int) -> list[float]:
    """Of length 1, the same for the same text in every process."""
    digest = hashlib.sha256(text.encode()).digest()
    values = [digest[i % len(digest)] - 127.5 for i in range(dimensions)]
    length = math.sqrt(sum(value * value for value in values))
    return [value / length for value in values]


def text_of(content: object) -> str:
    """Text, or what the parts of a message hold together."""
    if isinstance(content, str):
        return content
    parts = content if isinstance(content, list) else []
    return "".join(str(part.get("text", "")) for part in parts if isinstance(part, Mapping))


def least_instance(
    schema: Mapping[str, Any], root: Mapping[str, Any] | None = None, depth: int = 0
) -> object:
    """The least document of a schema, as a model held to it with nothing to say would write it."""
    root = schema if root is None else root
    if isinstance(reference := schema.get("$ref"), str) and depth < 20:
        target: Any = root
        for name in reference.removeprefix("#/").split("/"):
            target = target.get(name, {})
        return least_instance(target, root, depth + 1)
    for key in ("anyOf", "oneOf"):
        if schema.get(key):
            return least_instance(schema[key][0], root, depth + 1)
    if "const" in schema:
        return schema["const"]
    if schema.get("enum"):
        return schema["enum"][0]
    return _least_of_type(schema, lambda inner: least_instance(inner, root, depth + 1))


def _least_of_type(schema: Mapping[str, Any], least: Callable[[Mapping[str, Any]], object]) -> object:
    kind = schema.get("type")
    match kind[0] if isinstance(kind, list) else kind:
        case "object":
            properties = schema.get("properties", {})
            return {name: least(properties.get(name, {})) for name in schema.get("required", ())}
        case "array":
            return [least(schema.get("items", {})) for _ in range(schema.get("minItems", 0))]
        case "string":
            return "a" * schema.get("minLength", 0)
        case "integer" | "number":
            return schema.get("minimum", 0)
        case "boolean":
            return True
    return None


def stream_of(protocol: VendorProtocol, asked: Asked, answer: Answer) -> Iterator[bytes]:
    """A whole answer, event by event."""
    yield from protocol.opening(asked)
    for text in answer.pieces:
        yield protocol.piece(asked, text)
    yield from protocol.closing(asked, answer)


def pairs(messages: Sequence[Mapping[str, Any]]) -> tuple[tuple[str, str], ...]:
    return tuple((str(message.get("role", "")), text_of(message.get("content"))) for message in messages)
