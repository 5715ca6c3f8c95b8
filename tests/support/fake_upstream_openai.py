"""OpenAI's chat completions as the fake upstream speaks them: https://platform.openai.com/docs/api-reference/chat"""

import math
from collections.abc import Mapping, Sequence
from typing import Any

from fake_upstream_http import HttpRequest
from fake_upstream_wire import Answer, Asked, Document, pairs, sse, vector

_FINISH = {"stop": "stop", "length": "length", "refused": "content_filter"}
_TYPES = {
    401: "invalid_request_error",
    404: "invalid_request_error",
    429: "requests",
    400: "invalid_request_error",
}


class OpenAIProtocol:
    name = "openai"
    finishing = 1

    def key(self, request: HttpRequest) -> str | None:
        scheme, _, key = request.headers.get("authorization", "").partition(" ")
        return key if scheme == "Bearer" and key else None

    def asked(self, request: HttpRequest, model: str) -> Asked:
        body = request.document()
        form = body.get("response_format") or {}
        stop = body.get("stop") or ()
        return Asked(
            protocol=self.name,
            model=model,
            messages=pairs(body.get("messages", ())),
            schema=form.get("json_schema", {}).get("schema") if form.get("type") == "json_schema" else None,
            stream=body.get("stream") is True,
            with_usage=(body.get("stream_options") or {}).get("include_usage") is True,
            max_tokens=body.get("max_completion_tokens", body.get("max_tokens")),
            temperature=body.get("temperature"),
            stop=(stop,) if isinstance(stop, str) else tuple(stop),
            body=body,
        )

    def opening(self, asked: Asked) -> list[bytes]:
        return [sse(_chunk(asked, {"role": "assistant", "content": "", "refusal": None}))]

    def piece(self, asked: Asked, text: str) -> bytes:
        return sse(_chunk(asked, {"content": text}))

    def closing(self, asked: Asked, answer: Answer) -> list[bytes]:
        events = [sse(_chunk(asked, {}, _FINISH[answer.finish]))]
        if asked.with_usage and answer.usage:
            # The counts come in a chunk of their own, which has no choices.
            events.append(sse({**_chunk(asked, {}), "choices": [], "usage": _usage(asked, answer)}))
        return [*events, sse("[DONE]")]

    def whole(self, asked: Asked, answer: Answer) -> Document:
        message = {"role": "assistant", "content": answer.text, "refusal": None}
        choice = {"index": 0, "message": message, "logprobs": None, "finish_reason": _FINISH[answer.finish]}
        usage = {"usage": _usage(asked, answer)} if answer.usage else {}
        return {**_envelope(asked, "chat.completion"), "choices": [choice], **usage}

    def error(self, status: int, code: str, message: str, retry_after_s: float | None = None) -> Document:
        kind = _TYPES.get(status, "server_error")
        return {"error": {"message": message, "type": kind, "param": None, "code": code or None}}

    def error_event(self, message: str) -> bytes:
        return sse(self.error(500, "", message))

    def retry_headers(self, retry_after_s: float) -> dict[str, str]:
        return {
            "retry-after": str(math.ceil(retry_after_s)),
            "retry-after-ms": str(math.ceil(retry_after_s * 1000)),
            "x-ratelimit-remaining-requests": "0",
            "x-ratelimit-reset-requests": f"{math.ceil(retry_after_s * 1000)}ms",
        }

    def listing(self, names: Sequence[str]) -> Document:
        data = [{"id": name, "object": "model", "created": 0, "owned_by": "me"} for name in names]
        return {"object": "list", "data": data}

    def embeddings(self, body: Mapping[str, Any], dimensions: int) -> Document:
        texts = [body["input"]] if isinstance(body["input"], str) else body["input"]
        data = [
            {"object": "embedding", "index": i, "embedding": vector(text, dimensions)}
            for i, text in enumerate(texts)
        ]
        return {"object": "list", "model": body["model"], "data": data}


def _envelope(asked: Asked, kind: str) -> Document:
    return {"id": "chatcmpl-fake", "object": kind, "created": 1_763_740_800, "model": asked.model}


def _chunk(asked: Asked, delta: dict[str, Any], finish: str | None = None) -> Document:
    choice = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish}
    usage = {"usage": None} if asked.with_usage else {}
    return {**_envelope(asked, "chat.completion.chunk"), "choices": [choice], **usage}


def _usage(asked: Asked, answer: Answer) -> Document:
    return {
        "prompt_tokens": asked.prompt_tokens,
        "completion_tokens": answer.tokens,
        "total_tokens": asked.prompt_tokens + answer.tokens,
        "prompt_tokens_details": {"cached_tokens": 0, "audio_tokens": 0},
        "completion_tokens_details": {"reasoning_tokens": 0},
    }
