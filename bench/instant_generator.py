"""The generator as it is, with a model that answers at once: what is left is the path."""

from collections.abc import AsyncGenerator, Sequence

from hone_chassis import Service
from hone_contracts.models import ModelRef
from hone_generator import app
from hone_generator.providers.base import (
    Capabilities,
    Chunk,
    FinishReason,
    GenerationRequest,
    Health,
    ModelInfo,
    Provider,
    Usage,
)
from hone_generator.providers.configured import RemoteSettings, remote_providers
from hone_generator.providers.errors import RequestRefused
from hone_generator.providers.keys import Keys

_ANSWER = '[{"r":["member","1:N","loans"]}]'


class InstantProvider:
    name = "llamacpp"
    local = True
    capabilities = Capabilities(grammar=True, json_schema=True)

    async def generate(self, model: ModelRef, request: GenerationRequest) -> AsyncGenerator[Chunk, None]:
        yield Chunk(_ANSWER, FinishReason.STOP, Usage(1, 1))

    async def embed(self, model: ModelRef, texts: Sequence[str]) -> Sequence[Sequence[float]]:
        raise RequestRefused(str(model), "it only writes")

    async def models(self) -> Sequence[ModelInfo]:
        return ()

    async def health(self) -> Health:
        return Health(True, "instant")

    async def aclose(self) -> None:
        return None


def create() -> Service:
    """``openai:`` models are asked over HTTP as ever, at the address in OPENAI_BASE_URL."""
    instant: dict[str, Provider] = {"llamacpp": InstantProvider(), "ollama": InstantProvider()}
    return app.create(providers=instant | remote_providers(RemoteSettings(), Keys()))
