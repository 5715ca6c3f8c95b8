"""Anthropic's Messages as the fake upstream speaks them: https://platform.claude.com/docs/en/api/messages"""

import math
from collections.abc import Mapping, Sequence
from typing import Any

from fake_upstream_http import HttpRequest
from fake_upstream_wire import Answer, Asked, Document, pairs, sse, text_of

_FINISH = {"stop": "end_turn", "length": "max_tokens", "refused": "refusal"}
_TYPES = {
    400: "invalid_request_error", 401: "authentication_error", 403: "permission_error", 404: "not_found_error",
    413: "request_too_large", 429: "rate_limit_error", 500: "api_error", 529: "overloaded_error",
}  # fmt: skip


class AnthropicProtocol:
    name = "anthropic"
    finishing = 2

    def key(self, request: HttpRequest) -> str | None:
        return request.headers.get("x-api-key")

    def asked(self, request: HttpRequest, model: str) -> Asked:
        body = request.document()
        form = (body.get("output_config") or {}).get("format") or {}
        system = (("system", text_of(body["system"])),) if body.get("system") else ()
        return Asked(
            protocol=self.name,
            model=model,
            messages=system + pairs(body.get("messages", ())),
            schema=form.get("schema") if form.get("type") == "json_schema" else None,
            stream=body.get("stream") is True,
            with_usage=True,
            max_tokens=body.get("max_tokens"),
            temperature=body.get("temperature"),
            stop=tuple(body.get("stop_sequences") or ()),
            body=body,
        )

    def opening(self, asked: Asked) -> list[bytes]:
        message = {
            **_message(asked),
            "content": [],
            "stop_reason": None,
            "stop_sequence": None,
            "usage": {**_input_usage(asked), "output_tokens": 1},
        }
        block = {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}}
        return [
            _event({"type": "message_start", "message": message}),
            _event(block),
            _event({"type": "ping"}),
        ]

    def piece(self, asked: Asked, text: str) -> bytes:
        delta = {"type": "text_delta", "text": text}
        return _event({"type": "content_block_delta", "index": 0, "delta": delta})

    def closing(self, asked: Asked, answer: Answer) -> list[bytes]:
        delta = {"stop_reason": _FINISH[answer.finish], "stop_sequence": None}
        usage = {"usage": {"output_tokens": answer.tokens}} if answer.usage else {}
        return [
            _event({"type": "content_block_stop", "index": 0}),
            _event({"type": "message_delta", "delta": delta, **usage}),
            _event({"type": "message_stop"}),
        ]

    def whole(self, asked: Asked, answer: Answer) -> Document:
        return {
            **_message(asked),
            "content": [{"type": "text", "text": answer.text}],
            "stop_reason": _FINISH[answer.finish],
            "stop_sequence": None,
            "usage": {**_input_usage(asked), "output_tokens": answer.tokens},
        }

    def error(self, status: int, code: str, message: str, retry_after_s: float | None = None) -> Document:
        kind = _TYPES.get(status, "api_error")
        return {"type": "error", "error": {"type": kind, "message": message}, "request_id": "req_fake"}

    def error_event(self, message: str) -> bytes:
        return _event({"type": "error", "error": {"type": "overloaded_error", "message": message}})

    def retry_headers(self, retry_after_s: float) -> dict[str, str]:
        # Its own servers send whole seconds; tests would rather not wait for one.
        seconds = math.ceil(retry_after_s) if retry_after_s >= 1 else retry_after_s
        return {"retry-after": str(seconds)}

    def listing(self, names: Sequence[str]) -> Document:
        data = [{"type": "model", "id": name, "display_name": name} for name in names]
        return {"data": data, "has_more": False, "first_id": names[0], "last_id": names[-1]}

    def embeddings(self, body: Mapping[str, Any], dimensions: int) -> Document:
        return self.error(404, "", "Not found")


def _message(asked: Asked) -> Document:
    return {"id": "msg_fake", "type": "message", "role": "assistant", "model": asked.model}


def _input_usage(asked: Asked) -> Document:
    return {
        "input_tokens": asked.prompt_tokens,
        "cache_creation_input_tokens": 0,
        "cache_read_input_tokens": 0,
    }


def _event(data: Document) -> bytes:
    return sse(data, str(data["type"]))
