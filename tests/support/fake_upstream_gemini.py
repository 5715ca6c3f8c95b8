"""Gemini's generateContent as the fake upstream speaks it: https://ai.google.dev/api/generate-content"""

from collections.abc import Mapping, Sequence
from typing import Any

from fake_upstream_http import HttpRequest
from fake_upstream_wire import Answer, Asked, Document, sse, text_of, vector

_FINISH = {"stop": "STOP", "length": "MAX_TOKENS", "refused": "SAFETY"}
_STATUSES = {
    400: "INVALID_ARGUMENT", 401: "UNAUTHENTICATED", 403: "PERMISSION_DENIED", 404: "NOT_FOUND",
    429: "RESOURCE_EXHAUSTED", 500: "INTERNAL", 503: "UNAVAILABLE", 504: "DEADLINE_EXCEEDED",
}  # fmt: skip
_INFO = "type.googleapis.com/google.rpc."


class GeminiProtocol:
    name = "gemini"
    finishing = 1

    def key(self, request: HttpRequest) -> str | None:
        return request.headers.get("x-goog-api-key")

    def asked(self, request: HttpRequest, model: str) -> Asked:
        body = request.document()
        config = body.get("generationConfig") or {}
        system = text_of((body.get("systemInstruction") or {}).get("parts"))
        messages = [
            (entry.get("role", "user"), text_of(entry.get("parts"))) for entry in body.get("contents", ())
        ]
        return Asked(
            protocol=self.name,
            model=model,
            messages=((("system", system),) if system else ()) + tuple(messages),
            schema=config.get("responseJsonSchema"),
            stream=request.path.endswith(":streamGenerateContent"),
            with_usage=True,
            max_tokens=config.get("maxOutputTokens"),
            temperature=config.get("temperature"),
            stop=tuple(config.get("stopSequences") or ()),
            body=body,
        )

    def opening(self, asked: Asked) -> list[bytes]:
        return []

    def piece(self, asked: Asked, text: str) -> bytes:
        return _event(_response(asked, text, None))

    def closing(self, asked: Asked, answer: Answer) -> list[bytes]:
        last = _response(asked, "", _FINISH[answer.finish])
        return [_event({**last, "usageMetadata": _usage(asked, answer)} if answer.usage else last)]

    def whole(self, asked: Asked, answer: Answer) -> Document:
        response = _response(asked, answer.text, _FINISH[answer.finish])
        return {**response, "usageMetadata": _usage(asked, answer)}

    def error(self, status: int, code: str, message: str, retry_after_s: float | None = None) -> Document:
        details: list[Document] = []
        if status == 401:
            # It calls a wrong key a wrong argument.
            status, details = 400, [{"@type": f"{_INFO}ErrorInfo", "reason": "API_KEY_INVALID"}]
        if retry_after_s is not None:
            details.append({"@type": f"{_INFO}RetryInfo", "retryDelay": f"{retry_after_s:g}s"})
        error = {"code": status, "message": message, "status": _STATUSES.get(status, "UNKNOWN")}
        return {"error": {**error, "details": details} if details else error}

    def error_event(self, message: str) -> bytes:
        return _event(self.error(503, "", message))

    def retry_headers(self, retry_after_s: float) -> dict[str, str]:
        return {}  # it stands in the body

    def listing(self, names: Sequence[str]) -> Document:
        methods = ["generateContent", "countTokens"]
        models = [
            {"name": f"models/{name}", "inputTokenLimit": 8_192, "supportedGenerationMethods": methods}
            for name in names
        ]
        return {"models": models}

    def embeddings(self, body: Mapping[str, Any], dimensions: int) -> Document:
        texts = [text_of(request["content"]["parts"]) for request in body["requests"]]
        return {"embeddings": [{"values": vector(text, dimensions)} for text in texts]}


def _response(asked: Asked, text: str, finish: str | None) -> Document:
    candidate: dict[str, Any] = {"content": {"parts": [{"text": text}], "role": "model"}, "index": 0}
    if finish is not None:
        candidate["finishReason"] = finish
    return {"candidates": [candidate], "modelVersion": asked.model, "responseId": "fake"}


def _usage(asked: Asked, answer: Answer) -> Document:
    return {
        "promptTokenCount": asked.prompt_tokens,
        "candidatesTokenCount": answer.tokens,
        "totalTokenCount": asked.prompt_tokens + answer.tokens,
    }


def _event(data: Document) -> bytes:
    """Google ends its lines as in the old days."""
    return sse(data).replace(b"\n", b"\r\n")
