"""What a client of OpenAI asks for, as the question that the generator is put.

What would change the answer and is not supported is refused (tools, images, several choices). What only tunes or
labels a request is accepted and ignored: ``top_p``, penalties, ``user``, ``metadata``, ``reasoning_effort``.
"""

from collections.abc import Sequence
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError
from pydantic_core import ErrorDetails

from hone_contracts.chat import (
    MAX_ANSWER_TOKENS,
    MAX_MESSAGES,
    MAX_STOPS,
    AskChat,
    ChatMessage,
)
from hone_gateway.openai_api.errors import InvalidParameter, NotSupported

_ROLES = {"system": "system", "developer": "system", "user": "user", "assistant": "assistant"}
_ANY_OBJECT = {"type": "object"}


class _Asked(BaseModel):
    model_config = ConfigDict(extra="ignore", frozen=True)


class _Message(_Asked):
    role: str
    content: str | tuple[dict[str, Any], ...] | None = None
    tool_calls: Any = None
    function_call: Any = None
    audio: Any = None


class _SchemaFormat(_Asked):
    schema_: dict[str, Any] = Field(default=_ANY_OBJECT, alias="schema")


class _ResponseFormat(_Asked):
    type: Literal["text", "json_object", "json_schema"]
    json_schema: _SchemaFormat | None = None


class _StreamOptions(_Asked):
    include_usage: bool = False


class ChatCompletionRequest(_Asked):
    """The body of POST /v1/chat/completions, as far as it matters."""

    model: str = Field(min_length=1, max_length=500)
    messages: tuple[_Message, ...] = Field(min_length=1, max_length=MAX_MESSAGES)
    stream: bool | None = False
    stream_options: _StreamOptions | None = None
    max_tokens: int | None = Field(default=None, ge=1, le=MAX_ANSWER_TOKENS)
    max_completion_tokens: int | None = Field(default=None, ge=1, le=MAX_ANSWER_TOKENS)
    temperature: float | None = Field(default=None, ge=0, le=2)
    seed: int | None = Field(default=None, ge=-(2**63), lt=2**63)
    stop: str | tuple[str, ...] | None = None
    response_format: _ResponseFormat | None = None
    n: int | None = 1
    tools: Any = None
    tool_choice: Any = None
    functions: Any = None
    function_call: Any = None
    modalities: tuple[str, ...] | None = None
    audio: Any = None
    logprobs: bool | None = None
    top_logprobs: int | None = None
    logit_bias: Any = None
    web_search_options: Any = None

    @property
    def wants_usage(self) -> bool:
        return self.stream_options is not None and self.stream_options.include_usage

    def question(self, tenant: str) -> AskChat:
        """Raises NotSupported, InvalidParameter."""
        _refuse_unsupported(self)
        return AskChat(
            tenant=tenant,
            model=self.model,
            messages=tuple(_message(number, each) for number, each in enumerate(self.messages)),
            stream=bool(self.stream),
            max_tokens=self.max_completion_tokens or self.max_tokens,
            temperature=self.temperature,
            seed=self.seed,
            stop=_stops(self.stop),
            answer_schema=_schema(self.response_format),
        )


def parse(body: bytes) -> ChatCompletionRequest:
    """Raises InvalidParameter, which names the first field that does not fit."""
    try:
        return ChatCompletionRequest.model_validate_json(body)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False, include_context=False)[0]
        if first["type"] == "json_invalid":
            raise InvalidParameter(None, f"The body is not valid JSON: {first['msg']}.") from error
        raise InvalidParameter(_param(first), f"{_param(first)}: {first['msg']}.") from error


def _param(error: ErrorDetails) -> str:
    """The field's path as OpenAI writes it, ``messages[0].role``; a union's own steps are left out."""
    path = ""
    for step in error["loc"]:
        if isinstance(step, int):
            path += f"[{step}]"
        elif step.isidentifier() and step not in {"str", "bool", "int"}:
            path += f".{step}" if path else step
    return path[:200] or "body"


def _refuse_unsupported(asked: ChatCompletionRequest) -> None:
    for name in ("tools", "functions"):
        if getattr(asked, name):
            raise NotSupported(name, "Tools are not supported: leave them out, or ask for `response_format`.")
    for name in ("tool_choice", "function_call"):
        if getattr(asked, name) not in (None, "none", "auto"):
            raise NotSupported(name, "Tools are not supported: leave this out.")
    if asked.n not in (None, 1):
        raise NotSupported("n", "One choice a request is supported: send several requests.")
    if asked.audio is not None or (asked.modalities is not None and set(asked.modalities) != {"text"}):
        name = "modalities" if asked.modalities is not None else "audio"
        raise NotSupported(name, "Only text is supported.")
    if asked.logprobs or asked.top_logprobs:
        raise NotSupported("logprobs", "Log probabilities are not supported: leave this out.")
    if asked.logit_bias:
        raise NotSupported("logit_bias", "Token biases are not supported: leave this out.")
    if asked.web_search_options is not None:
        raise NotSupported("web_search_options", "Web search is not supported: leave this out.")


def _message(number: int, message: _Message) -> ChatMessage:
    role = _ROLES.get(message.role)
    if role is None:
        known = ", ".join(_ROLES)
        raise NotSupported(f"messages[{number}].role", f"{message.role[:40]!r} is none of: {known}.")
    if message.tool_calls or message.function_call or message.audio:
        raise NotSupported(f"messages[{number}]", "Tool calls and audio in messages are not supported.")
    return ChatMessage(role=role, content=_text(number, message.content))


def _text(number: int, content: str | Sequence[dict[str, Any]] | None) -> str:
    if isinstance(content, str):
        return content
    if not content:
        raise InvalidParameter(f"messages[{number}].content", f"messages[{number}].content is missing.")
    texts = []
    for place, part in enumerate(content):
        text = part.get("text")
        if part.get("type") != "text" or not isinstance(text, str):
            raise NotSupported(
                f"messages[{number}].content[{place}]", "Only parts of type `text` are supported."
            )
        texts.append(text)
    return "".join(texts)


def _stops(stop: str | tuple[str, ...] | None) -> tuple[str, ...]:
    stops = (stop,) if isinstance(stop, str) else stop or ()
    if len(stops) > MAX_STOPS or not all(stops):
        raise InvalidParameter("stop", f"stop: up to {MAX_STOPS} texts, none of them empty.")
    return stops


def _schema(response_format: _ResponseFormat | None) -> dict[str, Any] | None:
    if response_format is None or response_format.type == "text":
        return None
    if response_format.type == "json_object":
        return _ANY_OBJECT
    if response_format.json_schema is None:
        raise InvalidParameter("response_format.json_schema", "response_format.json_schema is missing.")
    return response_format.json_schema.schema_
