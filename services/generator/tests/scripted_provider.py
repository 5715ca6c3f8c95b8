"""A provider that answers as a test scripts it: protocol-true, and as slow or broken as told."""

import asyncio
from collections.abc import AsyncGenerator, Callable, Sequence

from hone_contracts.models import ModelRef
from hone_generator.providers.base import (
    Capabilities,
    Chunk,
    FinishReason,
    GenerationRequest,
    Health,
    ModelInfo,
    Usage,
)
from hone_generator.providers.errors import RequestRefused

Script = Callable[[int, GenerationRequest], str | Exception]
"""The answer to the n-th request, counted from 0."""


class ScriptedProvider:
    name = "llamacpp"
    local = True
    capabilities = Capabilities(grammar=True, json_schema=True)

    def __init__(self, script: Script, hold: asyncio.Event | None = None) -> None:
        self._script, self._hold = script, hold
        self.requests: list[GenerationRequest] = []
        self.asked = asyncio.Event()
        self.stopped = 0

    async def generate(self, model: ModelRef, request: GenerationRequest) -> AsyncGenerator[Chunk, None]:
        number = len(self.requests)
        self.requests.append(request)
        self.asked.set()
        try:
            if self._hold is not None:
                await self._hold.wait()
            answer = self._script(number, request)
            if isinstance(answer, Exception):
                raise answer
            for start in range(0, len(answer), 20):
                yield Chunk(answer[start : start + 20])
            yield Chunk("", FinishReason.STOP, Usage(10, 5))
        except asyncio.CancelledError:
            self.stopped += 1
            raise

    async def embed(self, model: ModelRef, texts: Sequence[str]) -> Sequence[Sequence[float]]:
        raise RequestRefused(str(model), "it gives no vectors")

    async def models(self) -> Sequence[ModelInfo]:
        return ()

    async def health(self) -> Health:
        return Health(True, "scripted")

    async def aclose(self) -> None:
        return None
