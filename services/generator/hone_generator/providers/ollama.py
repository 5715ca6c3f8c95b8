"""Ollama: larger models than Hone's own, on this machine or on others of the team, by its native API."""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import aclosing

from hone_contracts.models import InvalidModelRef, ModelRef
from hone_generator.providers.base import Capabilities, Chunk, Gbnf, GenerationRequest, Health, ModelInfo
from hone_generator.providers.errors import (
    BadProviderAnswer,
    ProviderError,
    ProviderUnavailable,
    RequestRefused,
)
from hone_generator.providers.ollama_hosts import parse_host
from hone_generator.providers.ollama_server import OllamaServer, OllamaSettings
from hone_generator.providers.ollama_wire import PROVIDER, ModelEntry, full_name, not_found

_Placed = tuple[OllamaServer, ModelEntry]
_Listings = list[tuple[OllamaServer, list[ModelEntry]]]


class OllamaProvider:
    """``hosts`` are base URLs (see ``ollama_hosts``). A model runs where it is loaded, else where it is present.

    A model whose answers come from a computer elsewhere (Ollama's cloud) is not used: what is asked of Ollama stays
    on the hosts.
    """

    name = PROVIDER
    capabilities = Capabilities(grammar=False, json_schema=True)

    def __init__(self, hosts: Sequence[str], settings: OllamaSettings | None = None) -> None:
        settings = settings or OllamaSettings()
        self._servers = tuple(OllamaServer(url, settings) for url in dict.fromkeys(map(parse_host, hosts)))

    async def generate(self, model: ModelRef, request: GenerationRequest) -> AsyncGenerator[Chunk, None]:
        if isinstance(request.constraint, Gbnf):
            raise RequestRefused(str(model), "Ollama takes a JSON schema, and no grammar")
        if not request.messages:
            raise RequestRefused(str(model), "there is no message to answer")
        server, entry = await self._place(model)
        async with aclosing(server.chat(str(model), entry, request)) as chunks:
            async for chunk in chunks:
                yield chunk

    async def models(self) -> Sequence[ModelInfo]:
        """Of all hosts that answer, each once. Raises ProviderUnavailable when none does."""
        present, failures = await self._ask(self._servers, OllamaServer.present)
        if not present:
            raise _together(failures)
        loaded, _ = await self._ask([server for server, _ in present], OllamaServer.loaded)
        warm = {full_name(entry.name) for _, listing in loaded for entry in listing}
        found: dict[str, ModelInfo] = {}
        for entry in (entry for _, listing in present for entry in listing if not entry.remote_host):
            name = full_name(entry.name)
            found.setdefault(name, ModelInfo(_reference(entry), name in warm, entry.size_bytes))
        return [found[name] for name in sorted(found)]

    async def health(self) -> Health:
        """Good when one host answers, as that is enough to work."""
        answers = await asyncio.gather(*map(_health, self._servers))
        return Health(any(health.ok for health in answers), "; ".join(health.detail for health in answers))

    async def aclose(self) -> None:
        for server in self._servers:
            await server.aclose()

    async def _place(self, model: ModelRef) -> _Placed:
        """Where to ask. Raises ModelNotFound only if all hosts say so."""
        servers = self._allowed(model)
        awake = [server for server in servers if not server.recently_down]
        resting = [server for server in servers if server not in awake]
        known: set[str] = set()
        failures: list[ProviderError] = []
        for group in (awake, resting):
            found, listings, failed = await self._find(model, group)
            if found:
                return self._choose(model, found)
            known |= {entry.name for _, listing in listings for entry in listing}
            failures += failed
        raise (
            _together(failures)
            if failures
            else not_found(str(model), model.name, sorted(known), servers[0].url)
        )

    async def _find(
        self, model: ModelRef, servers: Sequence[OllamaServer]
    ) -> tuple[list[_Placed], _Listings, list[ProviderError]]:
        loaded, failures = await self._ask(servers, OllamaServer.loaded)
        if found := _having(model, loaded):
            return found, loaded, failures
        present, more = await self._ask([server for server, _ in loaded], OllamaServer.present)
        return _having(model, present), present, [*failures, *more]

    def _choose(self, model: ModelRef, found: Sequence[_Placed]) -> _Placed:
        """The host with the least to do for us; of several, the one that was named first."""
        server, entry = min(found, key=lambda placed: placed[0].in_flight)
        if entry.remote_host:
            reason = (
                f"{entry.remote_host} would answer it, and not {server.url}; choose a model that runs there"
            )
            raise RequestRefused(str(model), reason)
        return server, entry

    def _allowed(self, model: ModelRef) -> Sequence[OllamaServer]:
        """A reference may choose among the hosts in use, and cannot send requirements to another."""
        servers = self._servers
        if model.base_url is not None:
            servers = tuple(server for server in servers if server.url == parse_host(model.base_url))
        if not servers or model.provider != PROVIDER:
            hosts = ", ".join(server.url for server in self._servers)
            raise RequestRefused(
                str(model), f"its host is not among those in use ({hosts}); add it to OLLAMA_HOST"
            )
        return servers

    async def _ask(
        self, servers: Sequence[OllamaServer], question: Callable[[OllamaServer], Awaitable[list[ModelEntry]]]
    ) -> tuple[_Listings, list[ProviderError]]:
        """All at once: the lists of those that answer, and what went wrong with the others."""
        answers = await asyncio.gather(*map(question, servers), return_exceptions=True)
        listings, failures = [], []
        for server, answer in zip(servers, answers, strict=True):
            if isinstance(answer, ProviderError):
                failures.append(answer)
            elif isinstance(answer, BaseException):
                raise answer
            else:
                listings.append((server, answer))
        return listings, failures


def _reference(entry: ModelEntry) -> ModelRef:
    try:
        return ModelRef(PROVIDER, entry.name)
    except InvalidModelRef as error:
        raise BadProviderAnswer(PROVIDER, f"{entry.name[:80]!r} is no name of a model") from error


def _having(model: ModelRef, listings: _Listings) -> list[_Placed]:
    name = full_name(model.name)
    return [
        (server, entry) for server, listing in listings for entry in listing if full_name(entry.name) == name
    ]


def _together(failures: Sequence[ProviderError]) -> ProviderError:
    """All of them in one; the only one as it is."""
    if len(failures) == 1:
        return failures[0]
    reasons = [getattr(failure, "reason", str(failure)) for failure in failures]
    return ProviderUnavailable(PROVIDER, "; ".join(reasons) or "it has no hosts")


async def _health(server: OllamaServer) -> Health:
    try:
        return Health(True, f"{server.url} runs Ollama {await server.version()}")
    except ProviderError as error:
        return Health(False, str(getattr(error, "reason", error)))
