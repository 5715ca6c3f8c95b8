"""Gemini's ``streamGenerateContent``, without I/O.

Source: https://ai.google.dev/api/generate-content, https://ai.google.dev/api/embeddings
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from hone_generator.providers.base import Chunk, FinishReason, GenerationRequest, JsonSchema, Role, Usage
from hone_generator.providers.errors import StreamBroken
from hone_generator.providers.failures import Refusal, duration_s, one_line
from hone_generator.providers.habits import Habits
from hone_generator.providers.schema_dialects import GEMINI, adapted, in_words
from hone_generator.providers.wire_fields import Document, Fields

PROVIDER = "gemini"
DEFAULT_URL = "https://generativelanguage.googleapis.com"
_FIELDS = Fields(PROVIDER)
_STATUS = {
    "INVALID_ARGUMENT": 400, "FAILED_PRECONDITION": 400, "UNAUTHENTICATED": 401, "PERMISSION_DENIED": 403,
    "NOT_FOUND": 404, "RESOURCE_EXHAUSTED": 429, "INTERNAL": 500, "UNAVAILABLE": 503, "DEADLINE_EXCEEDED": 504,
}  # fmt: skip
_FINISH = {
    "STOP": FinishReason.STOP,
    "MAX_TOKENS": FinishReason.LENGTH,
    **dict.fromkeys(
        ("SAFETY", "RECITATION", "LANGUAGE", "BLOCKLIST", "PROHIBITED_CONTENT", "SPII"), FinishReason.REFUSED
    ),
}
_NOT_SAID = "FINISH_REASON_UNSPECIFIED"
# What it thinks counts as answer, and is paid for. 2.5 Pro cannot do without, and 3 takes a level.
_THINKING = (
    (re.compile(r"gemini-2\.5-flash"), {"thinkingBudget": 0}),
    (re.compile(r"gemini-2\.5-pro"), {"thinkingBudget": 128}),
    (re.compile(r"gemini-[3-9]"), {"thinkingLevel": "low"}),
)
_OPTIONAL: Mapping[str, str] = {
    "thinkingConfig": "(?i:thinking|budget)",
    "temperature": "temperature",
    "seed": "seed",
    "stopSequences": "stop_?[sS]equences",
}


class GeminiWire:
    """A schema goes into ``responseJsonSchema``; where it is not taken, it is told in words."""

    provider = PROVIDER
    texts_at_once = 100
    optional = _OPTIONAL
    forms = 3
    held = 1
    alike = False  # older models know no schemas
    key_header = ("x-goog-api-key", "{}")
    headers: Mapping[str, str] = {}
    listing = "/v1beta/models?pageSize=1000"

    def chat(self, name: str, request: GenerationRequest, habits: Habits) -> tuple[str, Document]:
        """Path and body."""
        config: Document = {
            "maxOutputTokens": habits.tokens(request.max_tokens),
            "temperature": request.temperature,
            "seed": request.seed,
        }
        if request.stop:
            config["stopSequences"] = list(request.stop[:5])
        for models, thinking in _THINKING:
            if models.match(name):
                config["thinkingConfig"] = thinking
        system = [message.content for message in request.messages if message.role is Role.SYSTEM]
        if isinstance(request.constraint, JsonSchema):
            schema = adapted(request.constraint.schema, GEMINI) if habits.form == 0 else None
            if habits.form < 2:
                config["responseMimeType"] = "application/json"
            if schema is not None:
                config["responseJsonSchema"] = schema
            else:
                system.append(in_words(request.constraint.schema))
        body: Document = {
            "contents": [
                _content("model" if message.role is Role.ASSISTANT else "user", message.content)
                for message in request.messages
                if message.role is not Role.SYSTEM and message.content
            ],
            "generationConfig": {key: value for key, value in config.items() if key not in habits.without},
        }
        if told := [text for text in system if text.strip()]:
            body["systemInstruction"] = {"parts": [{"text": text} for text in told]}
        return f"{_path(name)}:streamGenerateContent?alt=sse", body

    def parameters(self, body: Document) -> Mapping[str, Any]:
        found: Mapping[str, Any] = body["generationConfig"]
        return found

    def reader(self, model: str) -> "ContentReader":
        return ContentReader(model)

    def errors(self, status: int | None, document: Document) -> Refusal | None:
        """``{"error": {"code", "message", "status", "details"}}``, in the middle of an answer too."""
        error = document.get("error")
        if not isinstance(error, Mapping):
            return None
        details = error.get("details")
        details = [each for each in details if isinstance(each, Mapping)] if isinstance(details, list) else []
        reasons = [str(each["reason"]) for each in details if "reason" in each]
        delays = [duration_s(str(each["retryDelay"])) for each in details if "retryDelay" in each]
        code, word = error.get("code"), str(error.get("status") or "")
        known = code if isinstance(code, int) and 400 <= code < 600 else _STATUS.get(word, 500)
        return Refusal(
            status=status if status is not None and status != 200 else known,
            code=" ".join((word, *reasons)),
            message=one_line(error.get("message") or word or "an error without a word"),
            retry_after_s=next((delay for delay in delays if delay is not None), None),
        )

    def models(self, listing: Document) -> list[tuple[str, int | None]]:
        """Names and, where it is told, the context in tokens."""
        return [
            (_FIELDS.text(entry, "name").removeprefix("models/"), _FIELDS.count(entry, "inputTokenLimit"))
            for entry in _FIELDS.mappings(listing, "models")
        ]

    def embed(self, name: str, texts: Sequence[str]) -> tuple[str, Document]:
        model = f"models/{name.removeprefix('models/')}"
        requests = [{"model": model, "content": {"parts": [{"text": text}]}} for text in texts]
        return f"{_path(name)}:batchEmbedContents", {"requests": requests}

    def vectors(self, answer: Document) -> list[list[float]]:
        return [_FIELDS.vector(entry, "values") for entry in _FIELDS.mappings(answer, "embeddings")]


@dataclass(slots=True)
class ContentReader:
    """Reads ``GenerateContentResponse`` documents. Counts come with each of them, and the last are right."""

    model: str
    finish: FinishReason | None = None
    usage: Usage | None = None
    ended: bool = False  # nothing says so: the connection ends

    @property
    def finished(self) -> bool:
        return self.finish is not None

    def read(self, document: Document) -> Chunk | None:
        self.usage = _usage(_FIELDS.mapping(document, "usageMetadata")) or self.usage
        if _FIELDS.text(_FIELDS.mapping(document, "promptFeedback"), "blockReason"):
            self.finish = FinishReason.REFUSED
        for candidate in _FIELDS.mappings(document, "candidates"):
            if (candidate.get("index") or 0) == 0:
                return self._candidate(candidate)
        return None

    def last(self) -> Chunk:
        return Chunk("", self.finish, self.usage)

    def _candidate(self, candidate: Mapping[str, Any]) -> Chunk | None:
        parts = _FIELDS.mappings(_FIELDS.mapping(candidate, "content"), "parts")
        text = "".join(_FIELDS.text(part, "text") for part in parts if not part.get("thought"))
        reason = _FIELDS.text(candidate, "finishReason")
        if reason and reason != _NOT_SAID:
            if reason not in _FINISH:
                raise StreamBroken(PROVIDER, f"{self.model} ended with {reason[:80]!r}")
            self.finish = _FINISH[reason]
        thought = any(part.get("thought") for part in parts)
        return Chunk(text) if text or thought else None


def _usage(counts: Mapping[str, Any]) -> Usage | None:
    prompt, answer = _FIELDS.count(counts, "promptTokenCount"), _FIELDS.count(counts, "candidatesTokenCount")
    thoughts = _FIELDS.count(counts, "thoughtsTokenCount") or 0
    if prompt is None:
        return None
    return Usage(prompt, (answer or 0) + thoughts, _FIELDS.count(counts, "cachedContentTokenCount") or 0)


def _content(role: str, text: str) -> Document:
    return {"role": role, "parts": [{"text": text}]}


def _path(name: str) -> str:
    """A name is one step of the path, whatever stands in it."""
    return f"/v1beta/models/{quote(name.removeprefix('models/'), safe='')}"
