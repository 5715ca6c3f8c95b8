"""Ollama: larger models than Hone's own, on this machine or on others of the team, by its native API."""

import asyncio
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing

from hone_contracts.models import InvalidModelRef, ModelRef
from hone_generator.memory.cards import NvmlCards
from hone_generator.memory.room import Room
from hone_generator.memory.settings import GpuSettings
from hone_generator.providers.base import Capabilities, Chunk, Gbnf, GenerationRequest, Health, ModelInfo
from hone_generator.providers.errors import BadProviderAnswer, ProviderError, RequestRefused
from hone_generator.providers.ollama_chat import chat
from hone_generator.providers.ollama_hosts import PROVIDER, parse_host
from hone_generator.providers.ollama_places import Need, Place, Places, ask_all, elsewhere, together
from hone_generator.providers.ollama_server import Asked, OllamaServer, OllamaSettings
from hone_generator.providers.ollama_wire import ModelEntry, chat_body, full_name

_MAX_EMBEDDED_TEXTS = 512


class OllamaProvider:
    """``hosts`` are base URLs (see ``ollama_hosts``). A model runs where it is loaded, else where it fits,
    else where it is present; when a host fails before its first word, on the next.

    A model whose answers come from a computer elsewhere (Ollama's cloud) is not used: what is asked of Ollama stays
    on the hosts.
    """

    name = PROVIDER
    local = True
    capabilities = Capabilities(grammar=False, json_schema=True, embeddings=True)

    def __init__(
        self, hosts: Sequence[str], settings: OllamaSettings | None = None, room: Room | None = None
    ) -> None:
        settings = settings or OllamaSettings()
        self._room = room or Room(GpuSettings(), NvmlCards())
        self._servers = tuple(OllamaServer(url, settings) for url in dict.fromkeys(map(parse_host, hosts)))
        self._places = Places(self._servers, self._room)
        for server in self._servers:
            self._room.add(server)

    async def generate(self, model: ModelRef, request: GenerationRequest) -> AsyncGenerator[Chunk, None]:
        if isinstance(request.constraint, Gbnf):
            raise RequestRefused(str(model), "Ollama takes a JSON schema, and no grammar")
        if not request.messages:
            raise RequestRefused(str(model), "there is no message to answer")
        need = Need(request.messages, request.max_tokens)
        failures: list[ProviderError] = []
        for place in await self._places.of(model, need):
            began = False
            try:
                async with aclosing(self._answer(model, place, request)) as chunks:
                    async for chunk in chunks:
                        began = True
                        yield chunk
            except ProviderError as error:
                if began or not elsewhere(error):
                    raise
                failures.append(error)
            else:
                return
        raise together(failures)

    async def embed(self, model: ModelRef, texts: Sequence[str]) -> Sequence[Sequence[float]]:
        """With Ollama's models for it, such as ``nomic-embed-text``; at most 512 texts at once."""
        if not texts:
            return []
        if len(texts) > _MAX_EMBEDDED_TEXTS:
            raise RequestRefused(
                str(model), f"{len(texts)} texts at once are more than {_MAX_EMBEDDED_TEXTS}"
            )
        failures: list[ProviderError] = []
        for place in await self._places.of(model, Need.of_texts(texts)):
            try:
                async with (
                    self._room.use(place.embedder, place.wanted) as context_tokens,
                    place.server.answering(),
                ):
                    return await place.server.embed(self._asked(model, place, context_tokens), texts)
            except ProviderError as error:
                if not elsewhere(error):
                    raise
                failures.append(error)
        raise together(failures)

    async def models(self) -> Sequence[ModelInfo]:
        """Of all hosts that answer, each once. Raises ProviderUnavailable when none does."""
        present, failures = await ask_all(self._servers, OllamaServer.present)
        if not present:
            raise together(failures)
        loaded, _ = await ask_all([server for server, _ in present], OllamaServer.loaded)
        warm = {full_name(entry.name) for _, listing in loaded for entry in listing}
        found: dict[str, ModelInfo] = {}
        for entry in (entry for _, listing in present for entry in listing if not entry.remote_host):
            name = full_name(entry.name)
            found.setdefault(name, ModelInfo(_reference(entry), name in warm, entry.size_bytes))
        return [found[name] for name in sorted(found)]

    async def health(self) -> Health:
        """Good when one host answers, as that is enough to work; each host is told of."""
        answers = await asyncio.gather(*map(_health, self._servers))
        return Health(any(health.ok for health in answers), "; ".join(health.detail for health in answers))

    async def aclose(self) -> None:
        for server in self._servers:
            await server.aclose()

    async def _answer(
        self, model: ModelRef, place: Place, request: GenerationRequest
    ) -> AsyncGenerator[Chunk, None]:
        server = place.server
        async with self._room.use(server, place.wanted) as context_tokens:
            asked = self._asked(model, place, context_tokens)
            body = chat_body(
                place.entry.name, request, place.profile, context_tokens, server.settings.keep_alive_s
            )
            async with aclosing(chat(server, asked, body, request)) as chunks:
                async for chunk in chunks:
                    yield chunk

    def _asked(self, model: ModelRef, place: Place, context_tokens: int) -> Asked:
        # A server may say that a model is loaded with more than it was made for.
        room = min(context_tokens, place.profile.context_tokens or context_tokens)
        return Asked(str(model), place.entry.name, place.prompt_tokens, room)


def _reference(entry: ModelEntry) -> ModelRef:
    try:
        return ModelRef(PROVIDER, entry.name)
    except InvalidModelRef as error:
        raise BadProviderAnswer(PROVIDER, f"{entry.name[:80]!r} is no name of a model") from error


async def _health(server: OllamaServer) -> Health:
    try:
        return Health(True, f"{server.url} runs Ollama {await server.version()}")
    except ProviderError as error:
        return Health(False, str(getattr(error, "reason", error)))
