"""OpenAI's chat completions, without I/O, and what other servers make of them.

Source: https://platform.openai.com/docs/api-reference/chat; llama.cpp's tools/server/README.md; what vLLM and LM
Studio tell of their compatibility.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from hone_generator.providers.base import Chunk, FinishReason, GenerationRequest, JsonSchema, Usage
from hone_generator.providers.errors import BadProviderAnswer, StreamBroken
from hone_generator.providers.failures import Refusal, duration_s, one_line
from hone_generator.providers.habits import Habits
from hone_generator.providers.schema_dialects import OPENAI_STRICT, adapted, in_words
from hone_generator.providers.wire_fields import Document, Fields

PROVIDER = "openai"
_FIELDS = Fields(PROVIDER)
_REASONING = re.compile(r"o\d|gpt-[5-9]")
_MOST_STOPS = 4
_FINISH = {"length": FinishReason.LENGTH, "content_filter": FinishReason.REFUSED}
_BROKEN = frozenset({"error", "abort"})  # OpenRouter's and vLLM's
_STATUS = {
    "rate_limit_exceeded": 429, "rate_limit_error": 429, "tokens": 429, "requests": 429, "invalid_request_error": 400,
    "invalid_api_key": 401, "authentication_error": 401, "insufficient_quota": 429, "unavailable_error": 503,
    "overloaded_error": 503, "exceed_context_size_error": 400, "context_length_exceeded": 400, "not_found_error": 404,
}  # fmt: skip


_OPTIONAL: Mapping[str, str] = {
    name: rf"(?<![A-Za-z_]){name}(?![A-Za-z_])"
    for name in (
        "max_completion_tokens", "max_tokens", "temperature", "seed", "stop", "stream_options", "reasoning_effort",
    )
}  # fmt: skip


class OpenAIWire:
    """``original`` is OpenAI's own server, whose newer models know ``max_completion_tokens`` only, and which holds a
    model to a schema in its strict dialect; of others most know ``max_tokens`` and take a schema as it is."""

    provider = PROVIDER
    texts_at_once = 256
    optional = _OPTIONAL
    forms = 4
    held = 2
    key_header = ("Authorization", "Bearer {}")
    headers: Mapping[str, str] = {}
    listing = "/models"

    def __init__(self, *, original: bool) -> None:
        self._original = original
        self.alike = not original

    def chat(self, name: str, request: GenerationRequest, habits: Habits) -> tuple[str, Document]:
        """Path and body."""
        tokens = ("max_completion_tokens", "max_tokens")
        first, second = tokens if self._original else tokens[::-1]
        body: Document = {
            "model": name,
            "stream": True,
            "stream_options": {"include_usage": True},
            (second if first in habits.without else first): habits.tokens(request.max_tokens),
            "temperature": request.temperature,
            "seed": request.seed,
        }
        if request.stop:
            body["stop"] = list(request.stop[:_MOST_STOPS])
        if self._original and _REASONING.match(name):
            # What it thinks counts as answer, and is paid for.
            body["reasoning_effort"] = "low"
        form, told = self._response_format(request, habits.form)
        if form is not None:
            body["response_format"] = form
        messages = [{"role": message.role.value, "content": message.content} for message in request.messages]
        body["messages"] = [{"role": "system", "content": told}, *messages] if told else messages
        return "/chat/completions", {key: value for key, value in body.items() if key not in habits.without}

    def _response_format(self, request: GenerationRequest, form: int) -> tuple[Document | None, str]:
        """How the answer is asked to be, and what is said of it in words."""
        if not isinstance(request.constraint, JsonSchema):
            return None, ""
        schema = request.constraint.schema
        if form == (0 if self._original else 1):
            strict = adapted(schema, OPENAI_STRICT)
            return _json_schema(strict or schema, strict=strict is not None or not self._original), ""
        if form < 2:
            return _json_schema(schema, strict=not self._original), ""
        return ({"type": "json_object"} if form == 2 else None), in_words(schema)

    def parameters(self, body: Document) -> Mapping[str, Any]:
        return body

    def reader(self, model: str) -> "ChatReader":
        return ChatReader(model)

    def errors(self, status: int | None, document: Document) -> Refusal | None:
        """``{"error": {"message", "type", "code", "param"}}``; others write text, or no ``error`` around it."""
        error = document.get("error")
        if error is None and status is not None and ("message" in document or "detail" in document):
            error = document
        if error is None or error is False:
            return None
        if not isinstance(error, Mapping):
            return Refusal(status or 500, "", one_line(error))
        code, kind = error.get("code"), error.get("type")
        message = one_line(error.get("message") or error.get("detail") or kind or "an error without a word")
        if isinstance(parameter := error.get("param"), str) and parameter not in message:
            message = f"{message} ({parameter})"
        return Refusal(
            status=status if status is not None and status != 200 else _status(code, kind),
            code=f"{code or ''} {kind or ''}".strip(),
            message=message,
            retry_after_s=duration_s(str(error.get("retry_after") or "")),
            prompt_tokens=_whole(error.get("n_prompt_tokens")),
            context_tokens=_whole(error.get("n_ctx")),
        )

    def models(self, listing: Document) -> list[tuple[str, int | None]]:
        """Names and, where it is told, the context in tokens."""
        found = []
        for entry in _FIELDS.mappings(listing, "data"):
            meta = _FIELDS.mapping(entry, "meta")  # llama.cpp
            context = _FIELDS.count(entry, "max_model_len") or _FIELDS.count(meta, "n_ctx")  # vLLM
            found.append((_FIELDS.text(entry, "id"), context or _FIELDS.count(meta, "n_ctx_train")))
        return found

    def embed(self, name: str, texts: Sequence[str]) -> tuple[str, Document]:
        return "/embeddings", {"model": name, "input": list(texts), "encoding_format": "float"}

    def vectors(self, answer: Document) -> list[list[float]]:
        entries = _FIELDS.mappings(answer, "data")
        in_order = sorted(enumerate(entries), key=lambda each: _FIELDS.count(each[1], "index") or each[0])
        return [_FIELDS.vector(entry, "embedding") for _, entry in in_order]


@dataclass(slots=True)
class ChatReader:
    """Reads ``chat.completion.chunk`` documents: the counts come with the last one, in one of their own, or never."""

    model: str
    finish: FinishReason | None = None
    usage: Usage | None = None
    refused: bool = False
    ended: bool = False

    @property
    def finished(self) -> bool:
        return self.finish is not None

    def read(self, document: Document) -> Chunk | None:
        self.usage = _usage(document) or self.usage
        if "choices" not in document and not self.usage:
            raise BadProviderAnswer(PROVIDER, f"a piece of its answer has no choices: {str(document)[:80]!r}")
        for choice in _FIELDS.mappings(document, "choices"):
            if (choice.get("index") or 0) == 0:
                return self._choice(choice)
        return None

    def last(self) -> Chunk:
        return Chunk("", FinishReason.REFUSED if self.refused else self.finish, self.usage)

    def _choice(self, choice: Mapping[str, Any]) -> Chunk | None:
        delta = _FIELDS.mapping(choice, "delta")
        text, thought = _content(delta), delta.get("reasoning_content") or delta.get("reasoning")
        self.refused = self.refused or bool(delta.get("refusal"))
        if reason := _FIELDS.text(choice, "finish_reason"):
            if reason in _BROKEN:
                raise StreamBroken(PROVIDER, f"{self.model} ended with {reason!r}")
            self.finish = _FINISH.get(reason, FinishReason.STOP)
        return Chunk(text) if text or thought else None


def _content(delta: Mapping[str, Any]) -> str:
    """Text, or (Mistral) a list of parts of which some are thoughts."""
    if not isinstance(delta.get("content"), list):
        return _FIELDS.text(delta, "content")
    return "".join(_FIELDS.text(part, "text") for part in _FIELDS.mappings(delta, "content"))


def _usage(document: Document) -> Usage | None:
    usage = _FIELDS.mapping(document, "usage")
    prompt, completion = _FIELDS.count(usage, "prompt_tokens"), _FIELDS.count(usage, "completion_tokens")
    if prompt is None and completion is None:
        return None
    return Usage(
        prompt_tokens=prompt or 0,
        completion_tokens=completion or 0,
        cached_tokens=_FIELDS.count(_FIELDS.mapping(usage, "prompt_tokens_details"), "cached_tokens") or 0,
    )


def _json_schema(schema: Mapping[str, Any], *, strict: bool) -> Document:
    return {
        "type": "json_schema",
        "json_schema": {"name": "answer", "schema": dict(schema), "strict": strict},
    }


def _status(code: object, kind: object) -> int:
    """Of an error in the middle of an answer."""
    if isinstance(code, int) and 400 <= code < 600:
        return code
    return _STATUS.get(str(code), _STATUS.get(str(kind), 500))


def _whole(value: object) -> int | None:
    return value if isinstance(value, int) and value >= 0 else None
