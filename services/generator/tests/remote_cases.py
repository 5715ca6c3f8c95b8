"""The three protocols, each with a provider that asks the fake upstream: what holds for one holds for all."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Literal

from fake_upstream import FakeUpstream
from pydantic import SecretStr

from hone_contracts.models import ModelRef
from hone_generator.providers.base import ChatMessage, Chunk, GenerationRequest, Provider, Role
from hone_generator.providers.configured import anthropic, gemini
from hone_generator.providers.keys import Keys
from hone_generator.providers.openai import OpenAIProvider, OpenAISettings

Protocol = Literal["openai", "anthropic", "gemini"]
PROTOCOLS: tuple[Protocol, ...] = ("openai", "anthropic", "gemini")
KEY = "sk-proj-7h15-i5-Th3-k3y-0123456789abcdef"
SETTINGS = (
    "OPENAI_BASE_URL", "ANTHROPIC_BASE_URL", "GOOGLE_GEMINI_BASE_URL", "HONE_LOCAL_SERVERS",
    "HONE_CLOUD_SERVERS", "HONE_PRICES_FILE",
)  # fmt: skip
ASK = GenerationRequest(
    (ChatMessage(Role.SYSTEM, "You draw diagrams."), ChatMessage(Role.USER, "a member has loans")),
    max_tokens=50,
    first_token_s=20,
    timeout_s=20,
)


def provider_at(upstream: FakeUpstream, protocol: Protocol, key: str | None = KEY) -> Provider:
    secret = SecretStr(key) if key is not None else None
    match protocol:
        case "openai":
            return OpenAIProvider(OpenAISettings(upstream.openai_url, secret))
        case "anthropic":
            return anthropic(Keys(anthropic=secret), upstream.anthropic_url)
        case "gemini":
            return gemini(Keys(gemini=secret), upstream.gemini_url)


@asynccontextmanager
async def asking(
    upstream: FakeUpstream, protocol: Protocol, key: str | None = KEY
) -> AsyncIterator[Provider]:
    provider = provider_at(upstream, protocol, key)
    try:
        yield provider
    finally:
        await provider.aclose()


async def chunks(provider: Provider, model: str, request: GenerationRequest = ASK) -> list[Chunk]:
    return [chunk async for chunk in provider.generate(ModelRef(provider.name, model), request)]


def text_of(chunks: list[Chunk]) -> str:
    return "".join(chunk.text for chunk in chunks)
