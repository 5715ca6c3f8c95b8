"""Chats over core NATS: one question, many frames back, and a word to stop or to go on.

The gateway publishes ``AskChat`` to a queue group of generators, with an inbox of its own as reply subject; frames
come there, numbered from 0. A generator that is at work is never silent for longer than ``BEAT_EVERY_S``: whoever
hears nothing for ``SILENCE_LIMIT_S`` gives it up. ``WINDOW`` frames may be on their way; the reader grants more by
``ChatControl`` as it reads, and so a slow reader slows the model down instead of filling memory. Nothing is stored:
a chat whose gateway or generator dies is over, and its caller is told.
"""

from typing import Any, ClassVar, Final, Literal

from pydantic import BaseModel, ConfigDict, Field

from hone_contracts import subjects
from hone_contracts.errors import ErrorBody, Request

BEAT_EVERY_S: Final = 2.0
SILENCE_LIMIT_S: Final = 3 * BEAT_EVERY_S
WINDOW: Final = 64
MAX_FRAME_CHARS: Final = 8 * 1024
MAX_ANSWER_CHARS: Final = 4 * 1024 * 1024
MAX_ANSWER_TOKENS: Final = 131_072
MAX_MESSAGES: Final = 4096
MAX_STOPS: Final = 16

CONTROL: Final = "hone.chat.control.v1"
"""Heard by every generator; the one that has the chat acts on it."""

ROUTE_PREFIX: Final = "hone/"
"""``hone/openapi`` as a chat's model: the route of that artifact type."""


class ChatMessage(BaseModel):
    model_config = ConfigDict(frozen=True)

    role: Literal["system", "user", "assistant"]
    content: str


class AskChat(Request):
    """``model`` is a model reference, ``default``, or ``hone/`` and an artifact type for the routes of these."""

    subject: ClassVar[str] = subjects.rpc("generator", "chat")

    model: str = Field(min_length=1, max_length=500)
    messages: tuple[ChatMessage, ...] = Field(min_length=1, max_length=MAX_MESSAGES)
    stream: bool = Field(default=False, description="frames as the model writes, not when it has ended")
    max_tokens: int | None = Field(default=None, ge=1, le=MAX_ANSWER_TOKENS)
    temperature: float | None = Field(default=None, ge=0, le=2)
    seed: int | None = None
    stop: tuple[str, ...] = Field(default=(), max_length=MAX_STOPS)
    answer_schema: dict[str, Any] | None = Field(
        default=None, description="the answer is JSON of this schema"
    )


class ChatUsage(BaseModel):
    model_config = ConfigDict(frozen=True)

    prompt_tokens: int
    completion_tokens: int
    cached_tokens: int = 0


class ChatFrame(BaseModel):
    """A piece of the answer (``chunk``), its end (``done``), why there is none (``error``), or a sign of life."""

    model_config = ConfigDict(frozen=True)

    kind: Literal["chunk", "done", "error", "beat"]
    sequence: int = Field(default=0, ge=0, description="counts chunk, done and error")
    text: str = ""
    model: str | None = Field(
        default=None, description="the model that writes; told by done, and when it is known"
    )
    finish_reason: Literal["stop", "length", "content_filter"] | None = None
    usage: ChatUsage | None = None
    error: ErrorBody | None = None
    retry_after_s: float | None = None


class ChatControl(BaseModel):
    """``chat`` is the reply subject of its ``AskChat``."""

    model_config = ConfigDict(frozen=True)

    chat: str
    more_frames: int = Field(default=0, ge=0)
    cancel: bool = False


class ListChatModels(Request):
    """Which models can be chatted with now."""

    subject: ClassVar[str] = subjects.rpc("generator", "chat_models")


class ChatModels(BaseModel):
    model_config = ConfigDict(frozen=True)

    models: tuple[str, ...]
