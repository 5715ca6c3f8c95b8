"""Which of several Ollama servers a model runs on: where it is loaded, else where it fits, else where it is
present."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

from hone_contracts.models import ModelRef
from hone_generator.memory.errors import CardBusy, CardLeased, DoesNotFit, OutOfMemory
from hone_generator.memory.hosts import Wanted
from hone_generator.memory.room import Outlook, Room
from hone_generator.providers.base import ChatMessage, Role
from hone_generator.providers.errors import (
    ModelLoadFailed,
    ModelNotFound,
    ProviderError,
    ProviderUnavailable,
    RateLimited,
    RequestRefused,
)
from hone_generator.providers.ollama_errors import not_found
from hone_generator.providers.ollama_hosts import PROVIDER, parse_host
from hone_generator.providers.ollama_server import OllamaServer
from hone_generator.providers.ollama_show import ModelProfile
from hone_generator.providers.ollama_wire import ModelEntry, contexts, full_name, prompt_tokens

_Listings = list[tuple[OllamaServer, list[ModelEntry]]]
# Another host may do better. A wrong request or a timeout is not tried again: the one fails, the other took
# its time.
_ELSEWHERE = (
    CardBusy, CardLeased, DoesNotFit, ModelLoadFailed, ModelNotFound, OutOfMemory, ProviderUnavailable, RateLimited,
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Need:
    """Of context: for these messages, and for an answer."""

    messages: Sequence[ChatMessage]
    answer_tokens: int

    @classmethod
    def of_texts(cls, texts: Sequence[str]) -> "Need":
        """They are read one after the other."""
        return cls(
            (ChatMessage(Role.USER, max(texts, key=lambda each: len(each.encode(errors="replace")))),), 0
        )


@dataclass(frozen=True, slots=True)
class Embedder:
    """A server as a host of models that give vectors."""

    server: OllamaServer

    @property
    def url(self) -> str:
        return self.server.url

    async def loaded(self) -> list[ModelEntry]:
        return await self.server.loaded()

    async def load(self, name: str, context_tokens: int) -> None:
        await self.server.load_embedder(name, context_tokens)

    async def unload(self, name: str) -> None:
        await self.server.unload(name)


@dataclass(frozen=True, slots=True)
class Place:
    """A model on a server that has it, and what is wanted of it there."""

    server: OllamaServer
    entry: ModelEntry
    profile: ModelProfile
    wanted: Wanted
    prompt_tokens: int

    @property
    def embedder(self) -> Embedder:
        return Embedder(self.server)


class Places:
    def __init__(self, servers: Sequence[OllamaServer], room: Room) -> None:
        self._servers, self._room = servers, room

    async def of(self, model: ModelRef, need: Need) -> Sequence[Place]:
        """The best first. A host that was down a moment ago is asked only if no other has the model.

        Raises ModelNotFound only if all hosts say so.
        """
        servers = self._allowed(model)
        awake = [server for server in servers if not server.recently_down]
        known: set[str] = set()
        failures: list[ProviderError] = []
        for group in (awake, [server for server in servers if server not in awake]):
            listings, failed = await ask_all(group, OllamaServer.present)
            failures += failed
            known |= {entry.name for _, listing in listings for entry in listing}
            if found := _having(model, listings):
                return await self._ranked(model, need, found)
        if failures:
            raise together(failures)
        raise not_found(str(model), model.name, sorted(known), servers[0].url)

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

    async def _ranked(
        self, model: ModelRef, need: Need, found: Sequence[tuple[OllamaServer, ModelEntry]]
    ) -> Sequence[Place]:
        """By the memory's outlook, and of equals the one with the least to do for us, then the one named first."""
        here = [(server, entry) for server, entry in found if not entry.remote_host]
        if not here:
            server, entry = found[0]
            reason = (
                f"{entry.remote_host} would answer it, and not {server.url}; choose a model that runs there"
            )
            raise RequestRefused(str(model), reason)
        if len(here) == 1:
            return [await self._place(model, need, *here[0])]
        ranked: list[tuple[Outlook, int, int, Place]] = []
        failures: list[ProviderError] = []
        answers = await asyncio.gather(
            *(self._rated(model, need, server, entry) for server, entry in here), return_exceptions=True
        )
        for number, answer in enumerate(answers):
            if isinstance(answer, ProviderError):
                failures.append(answer)
            elif isinstance(answer, BaseException):
                raise answer
            else:
                outlook, place = answer
                ranked.append((outlook, place.server.in_flight, number, place))
        if not ranked:
            raise together(failures)
        return [place for *_, place in sorted(ranked, key=lambda each: each[:3])]

    async def _rated(
        self, model: ModelRef, need: Need, server: OllamaServer, entry: ModelEntry
    ) -> tuple[Outlook, Place]:
        place = await self._place(model, need, server, entry)
        return await self._room.outlook(server, place.wanted), place

    async def _place(self, model: ModelRef, need: Need, server: OllamaServer, entry: ModelEntry) -> Place:
        profile = await server.profile(str(model), entry)
        prompt = prompt_tokens(need.messages, profile)
        sizes = contexts(prompt, need.answer_tokens, profile, server.settings.max_context_tokens)
        enough = min(prompt + need.answer_tokens, sizes[0])
        wanted = Wanted(str(model), entry.name, sizes, enough, entry.digest, profile.facts)
        return Place(server, entry, profile, wanted, prompt)


def elsewhere(error: ProviderError) -> bool:
    """Whether another host may answer where this one did not."""
    return isinstance(error, _ELSEWHERE)


def together(failures: Sequence[ProviderError]) -> ProviderError:
    """Of several hosts: that of the best place, unless none was to be reached."""
    if len(failures) == 1 or not all(isinstance(each, ProviderUnavailable) for each in failures):
        return next(
            each for each in failures if not isinstance(each, ProviderUnavailable) or len(failures) == 1
        )
    reasons = [getattr(failure, "reason", str(failure)) for failure in failures]
    return ProviderUnavailable(PROVIDER, "; ".join(reasons) or "it has no hosts")


async def ask_all(
    servers: Sequence[OllamaServer], question: Callable[[OllamaServer], Awaitable[list[ModelEntry]]]
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


def _having(model: ModelRef, listings: _Listings) -> list[tuple[OllamaServer, ModelEntry]]:
    name = full_name(model.name)
    return [
        (server, entry) for server, listing in listings for entry in listing if full_name(entry.name) == name
    ]
