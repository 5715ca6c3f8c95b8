"""Anthropic's Messages, without I/O.

Source: https://platform.claude.com/docs/en/api/messages, .../build-with-claude/streaming, .../structured-outputs
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from hone_generator.providers.base import Chunk, FinishReason, GenerationRequest, JsonSchema, Role, Usage
from hone_generator.providers.failures import Refusal, one_line
from hone_generator.providers.habits import Habits
from hone_generator.providers.schema_dialects import ANTHROPIC, adapted, in_words
from hone_generator.providers.wire_fields import Document, Fields

PROVIDER = "anthropic"
DEFAULT_URL = "https://api.anthropic.com"
_FIELDS = Fields(PROVIDER)
_THINKING = re.compile(r"claude-(?:fable|opus|sonnet|haiku)-[5-9]")
_FINISH = {
    "max_tokens": FinishReason.LENGTH,
    "model_context_window_exceeded": FinishReason.LENGTH,
    "refusal": FinishReason.REFUSED,
}
_STATUS = {
    "invalid_request_error": 400, "authentication_error": 401, "billing_error": 402, "permission_error": 403,
    "not_found_error": 404, "request_too_large": 413, "rate_limit_error": 429, "api_error": 500, "timeout_error": 504,
    "overloaded_error": 529,
}  # fmt: skip


class AnthropicWire:
    """A schema goes into ``output_config``; models that are older than that are told in words."""

    provider = PROVIDER
    optional: Mapping[str, str] = {
        "temperature": "temperature",
        "stop_sequences": "stop_sequences",
        "effort": "effort",
    }
    forms = 2
    held = 1
    alike = False  # older models know no schemas
    key_header = ("x-api-key", "{}")
    headers: Mapping[str, str] = {"anthropic-version": "2023-06-01"}
    listing = "/v1/models?limit=1000"

    def chat(self, name: str, request: GenerationRequest, habits: Habits) -> tuple[str, Document]:
        """Path and body."""
        system = [message.content for message in request.messages if message.role is Role.SYSTEM]
        body: Document = {
            "model": name,
            "stream": True,
            "max_tokens": habits.tokens(request.max_tokens),
            "temperature": min(1.0, request.temperature),
            # It takes no empty messages.
            "messages": [
                {"role": message.role.value, "content": message.content}
                for message in request.messages
                if message.role is not Role.SYSTEM and message.content.strip()
            ],
        }
        if stops := [stop for stop in request.stop if stop.strip()]:
            body["stop_sequences"] = stops
        if _THINKING.match(name) and "effort" not in habits.without:
            # What it thinks counts as answer, and is paid for.
            body["output_config"] = {"effort": "low"}
        if isinstance(request.constraint, JsonSchema):
            schema = adapted(request.constraint.schema, ANTHROPIC) if habits.form == 0 else None
            if schema is not None:
                form = {"format": {"type": "json_schema", "schema": schema}}
                body["output_config"] = {**body.get("output_config", {}), **form}
            else:
                system.append(in_words(request.constraint.schema))
        if told := "\n\n".join(text for text in system if text.strip()):
            body["system"] = told
        return "/v1/messages", {key: value for key, value in body.items() if key not in habits.without}

    def parameters(self, body: Document) -> Mapping[str, Any]:
        return {**body, **body.get("output_config", {})}

    def reader(self, model: str) -> "MessageReader":
        return MessageReader(model)

    def errors(self, status: int | None, document: Document) -> Refusal | None:
        """``{"type": "error", "error": {"type", "message"}}``, in the middle of an answer too."""
        error = document.get("error")
        if document.get("type") != "error" and not isinstance(error, Mapping):
            return None
        found = error if isinstance(error, Mapping) else {}
        kind = str(found.get("type") or "")
        message = one_line(found.get("message") or kind or "an error without a word")
        return Refusal(
            status if status is not None and status != 200 else _STATUS.get(kind, 500), kind, message
        )

    def models(self, listing: Document) -> list[tuple[str, int | None]]:
        """Names and, where it is told, the context in tokens."""
        return [
            (_FIELDS.text(entry, "id"), _FIELDS.count(entry, "max_input_tokens"))
            for entry in _FIELDS.mappings(listing, "data")
        ]


@dataclass(slots=True)
class MessageReader:
    """Reads the events of a message. There may be new types of them at any time, which mean nothing to us."""

    model: str
    finish: FinishReason | None = None
    prompt_tokens: int | None = None
    cached_tokens: int = 0
    completion_tokens: int | None = None
    ended: bool = False

    @property
    def finished(self) -> bool:
        return self.finish is not None

    def read(self, document: Document) -> Chunk | None:
        match _FIELDS.text(document, "type"):
            case "message_start":
                self._count(_FIELDS.mapping(_FIELDS.mapping(document, "message"), "usage"))
            case "content_block_start":
                return _piece(_FIELDS.mapping(document, "content_block"))
            case "content_block_delta":
                return _piece(_FIELDS.mapping(document, "delta"))
            case "message_delta":
                if reason := _FIELDS.text(_FIELDS.mapping(document, "delta"), "stop_reason"):
                    self.finish = _FINISH.get(reason, FinishReason.STOP)
                self._count(_FIELDS.mapping(document, "usage"))
            case "message_stop":
                self.ended = True
        return None

    def last(self) -> Chunk:
        known = self.prompt_tokens is not None and self.completion_tokens is not None
        usage = (
            Usage(self.prompt_tokens or 0, self.completion_tokens or 0, self.cached_tokens) if known else None
        )
        return Chunk("", self.finish, usage)

    def _count(self, usage: Mapping[str, object]) -> None:
        """What the answer has is counted up to here; what was read from the cache is not in ``input_tokens``."""
        prompt = _FIELDS.count(usage, "input_tokens")
        cached = _FIELDS.count(usage, "cache_read_input_tokens")
        if prompt is not None:
            written = _FIELDS.count(usage, "cache_creation_input_tokens") or 0
            self.cached_tokens = cached or 0
            self.prompt_tokens = prompt + written + self.cached_tokens
        completion = _FIELDS.count(usage, "output_tokens")
        self.completion_tokens = completion if completion is not None else self.completion_tokens


def _piece(block: Mapping[str, object]) -> Chunk | None:
    kind = _FIELDS.text(block, "type")
    if kind in {"thinking", "redacted_thinking", "thinking_delta", "signature_delta"}:
        return Chunk("")
    text = _FIELDS.text(block, "text") if kind in {"text", "text_delta"} else ""
    return Chunk(text) if text else None
