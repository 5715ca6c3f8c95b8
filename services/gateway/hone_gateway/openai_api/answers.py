"""Answers as OpenAI writes them: one document, or server-sent events."""

from typing import Any, Final

from pydantic_core import to_json

from hone_contracts.chat import ChatFrame, ChatUsage

DONE: Final = b"data: [DONE]\n\n"
STILL_THERE: Final = b": still at work\n\n"  # a comment: clients skip it, proxies see that the stream lives


def completion(chat_id: str, created: int, text: str, last: ChatFrame, model: str) -> bytes:
    """The whole answer, for who did not ask for a stream."""
    message = {"role": "assistant", "content": text, "refusal": None}
    choice = {
        "index": 0,
        "message": message,
        "logprobs": None,
        "finish_reason": last.finish_reason or "stop",
    }
    return to_json(
        {
            "id": chat_id,
            "object": "chat.completion",
            "created": created,
            "model": last.model or model,
            "choices": [choice],
            "usage": usage(last.usage),
        }
    )


class Events:
    """A stream's events. What is the same in all of them is written once."""

    def __init__(self, chat_id: str, created: int, model: str, *, with_usage: bool) -> None:
        self._head = {"id": chat_id, "object": "chat.completion.chunk", "created": created, "model": model}
        self._with_usage = with_usage
        self._began = False

    def text(self, text: str, model: str | None) -> bytes:
        if model is not None:
            self._head["model"] = model
        delta: dict[str, Any] = {"content": text}
        if not self._began:
            self._began = True
            delta = {"role": "assistant", "content": text, "refusal": None}
        return self._event(delta, None)

    def end(self, last: ChatFrame) -> bytes:
        """What is left of the text, why it ends, and what it took if that was asked for."""
        written = self.text(last.text, last.model) if last.text or not self._began else b""
        written += self._event({}, last.finish_reason or "stop")
        if self._with_usage:
            written += _event({**self._head, "choices": [], "usage": usage(last.usage)})
        return written + DONE

    def _event(self, delta: dict[str, Any], finish_reason: str | None) -> bytes:
        choice = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish_reason}
        more = {"usage": None} if self._with_usage else {}
        return _event({**self._head, "choices": [choice], **more})


def failure(body: bytes) -> bytes:
    """An error in the middle of a stream. No ``[DONE]`` follows: the answer is not whole."""
    return b"data: " + body + b"\n\n"


def usage(counted: ChatUsage | None) -> dict[str, Any] | None:
    """None where the provider does not tell: nothing is made up."""
    if counted is None:
        return None
    return {
        "prompt_tokens": counted.prompt_tokens,
        "completion_tokens": counted.completion_tokens,
        "total_tokens": counted.prompt_tokens + counted.completion_tokens,
        "prompt_tokens_details": {"cached_tokens": counted.cached_tokens},
    }


def _event(document: dict[str, Any]) -> bytes:
    return b"data: " + to_json(document) + b"\n\n"
