"""What a chat needs of the engine."""

from collections.abc import AsyncGenerator
from dataclasses import dataclass
from typing import Any, Protocol

from hone_generator.providers.base import ChatMessage, FinishReason, Usage


@dataclass(frozen=True, slots=True)
class ChatQuestion:
    """``model`` as in ``AskChat``. What is None is left to the route."""

    model: str
    messages: tuple[ChatMessage, ...]
    max_tokens: int | None = None
    temperature: float | None = None
    seed: int | None = None
    stop: tuple[str, ...] = ()
    answer_schema: dict[str, Any] | None = None


@dataclass(frozen=True, slots=True)
class Piece:
    """A piece of an answer. The last one has a ``finish_reason``, and ``usage`` where the provider tells it."""

    text: str
    model: str
    finish_reason: FinishReason | None = None
    usage: Usage | None = None


class ChatEngine(Protocol):
    """Walks the models in their order until one begins to answer. Raises ProviderError, EngineError, HandlingError:
    before the first piece when no model answers, after it when the one that began breaks off."""

    def __call__(self, question: ChatQuestion) -> AsyncGenerator[Piece, None]:
        """Closing the iterator stops the model."""
        ...
