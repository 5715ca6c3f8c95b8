"""The interface that every provider has, in this process or across the ocean, and what goes through it."""

from collections.abc import AsyncGenerator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Protocol

from hone_contracts.models import ModelRef


class Role(StrEnum):
    SYSTEM = "system"
    USER = "user"
    ASSISTANT = "assistant"


@dataclass(frozen=True, slots=True)
class ChatMessage:
    role: Role
    content: str


@dataclass(frozen=True, slots=True)
class Gbnf:
    """The answer is a sentence of this grammar, in llama.cpp's notation; its start symbol is ``root``."""

    grammar: str


@dataclass(frozen=True, slots=True)
class JsonSchema:
    """The answer is a JSON document that this schema accepts."""

    schema: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class GenerationRequest:
    """One question to a model. With ``temperature`` 0 the most likely token is always taken.

    ``timeout_s`` is the time that the model has for its whole answer, from when it begins: waiting for the
    requests before this one, and loading the model, do not count where the provider can tell. The same holds for
    ``first_token_s``; ``connect_s`` is for reaching the provider. Providers keep all three.
    """

    messages: tuple[ChatMessage, ...]
    max_tokens: int = 1024
    temperature: float = 0.0
    seed: int = 0
    constraint: Gbnf | JsonSchema | None = None
    stop: tuple[str, ...] = ()
    connect_s: float = 5.0
    first_token_s: float = 60.0
    timeout_s: float = 120.0


class FinishReason(StrEnum):
    STOP = "stop"  # the model, or the constraint, came to an end
    LENGTH = "length"  # max_tokens, or the end of the context
    REFUSED = "refused"  # the provider's own filter ended it


@dataclass(frozen=True, slots=True)
class Usage:
    """What a provider counted. ``cached_tokens`` of the prompt were known from the request before."""

    prompt_tokens: int
    completion_tokens: int
    cached_tokens: int = 0


@dataclass(frozen=True, slots=True)
class Chunk:
    """A piece of an answer. The last one has a ``finish_reason``, and ``usage`` where the provider tells it."""

    text: str
    finish_reason: FinishReason | None = None
    usage: Usage | None = None


@dataclass(frozen=True, slots=True)
class Capabilities:
    """What a provider can hold an answer to, and what else it does."""

    grammar: bool = False
    json_schema: bool = False
    embeddings: bool = False


@dataclass(frozen=True, slots=True)
class ModelInfo:
    """A model that a provider has. ``loaded`` says whether it answers without being loaded first."""

    ref: ModelRef
    loaded: bool
    size_bytes: int | None = None
    context_tokens: int | None = None


@dataclass(frozen=True, slots=True)
class Health:
    """``detail`` is one line for a person."""

    ok: bool
    detail: str


class Provider(Protocol):
    """All errors are of the kind ProviderError. ``local`` providers send nothing off the team's machines."""

    @property
    def name(self) -> str: ...

    @property
    def local(self) -> bool: ...

    @property
    def capabilities(self) -> Capabilities: ...

    def generate(self, model: ModelRef, request: GenerationRequest) -> AsyncGenerator[Chunk, None]:
        """Stream the answer. Closing the iterator (``contextlib.aclosing``) stops the model."""
        ...

    async def embed(self, model: ModelRef, texts: Sequence[str]) -> Sequence[Sequence[float]]:
        """One vector a text, in their order. Raises RequestRefused where ``capabilities.embeddings`` is false."""
        ...

    async def models(self) -> Sequence[ModelInfo]: ...

    async def health(self) -> Health: ...

    async def aclose(self) -> None: ...
