"""How the providers are, for `hone status`: asked all at once, within a limit, and no more often than is of use."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from typing import TypeVar

from hone_contracts.models import InvalidModelRef, ModelRef
from hone_contracts.providers import GpuStatus, ListProviders, ProviderModel, Providers, ProviderStatus
from hone_contracts.registry import Route
from hone_generator.memory.cards import Card, Cards
from hone_generator.providers.base import Health, ModelInfo, Provider
from hone_generator.providers.configured import provider_of
from hone_generator.providers.errors import ProviderError, RequestRefused

T = TypeVar("T")

MOST_MODELS = 100
_LONGEST_DETAIL = 500
_MOST_SERVERS = 20


def _servers(providers: Mapping[str, Provider], routes: Iterable[Route]) -> dict[str, Provider]:
    """Those that models of the routes name by their address, ``openai+http://…``, as far as they may be asked."""
    found: dict[str, Provider] = {}
    for name in (name for route in routes for name in _models_of(route)):
        with suppress(InvalidModelRef, RequestRefused):
            ref = ModelRef.parse(name)
            provider = None if ref.base_url is None else provider_of(providers, ref)
            if provider is not None and provider is not providers[ref.provider]:  # Ollama is all of its hosts
                found.setdefault(f"{ref.provider}+{ref.base_url}", provider)
        if len(found) >= _MOST_SERVERS:
            break
    return found


def _models_of(route: Route) -> Iterable[str]:
    yield from (each.model for each in route.local_models)
    if route.cloud:
        yield from route.cloud_models


class ProviderReport:
    """Answers ListProviders.

    ``routes`` gives the routes there are now: servers that their models name are told of as providers of their own.
    ``secrets`` are the keys of all providers: what a server says may repeat one, and no answer of ours does.
    An answer is good for ``keep_s`` seconds, so that a program that watches costs no provider its patience.
    """

    def __init__(
        self,
        providers: Mapping[str, Provider],
        cards: Cards | None = None,
        secrets: Iterable[str] = (),
        *,
        routes: Callable[[], Iterable[Route]] = tuple,
        limit_s: float = 3.0,
        keep_s: float = 5.0,
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        self._providers, self._cards = providers, cards
        self._secrets = sorted((each for each in secrets if each), key=len, reverse=True)
        self._routes = routes
        self._limit_s, self._keep_s, self._now = limit_s, keep_s, now
        self._turn = asyncio.Lock()
        self._last: tuple[float, Providers] | None = None

    async def list_providers(self, _question: ListProviders) -> Providers:
        async with self._turn:  # who asks meanwhile gets the same answer
            if self._last is None or self._now() >= self._last[0] + self._keep_s:
                answer = await self._ask()
                self._last = self._now(), answer
            return self._last[1]

    async def _ask(self) -> Providers:
        known = {**self._providers, **_servers(self._providers, self._routes())}
        gpus, *providers = await asyncio.gather(
            self._gpus(), *(self._status(name, provider) for name, provider in known.items())
        )
        return Providers(providers=tuple(providers), gpus=gpus)

    async def _status(self, name: str, provider: Provider) -> ProviderStatus:
        health, models = await asyncio.gather(
            self._within(provider.health(), lambda reason: Health(False, reason)), self._models(provider)
        )
        return ProviderStatus(
            name=name,
            local=provider.local,
            ok=health.ok,
            detail=self._for_people(health.detail),
            models=tuple(
                ProviderModel(
                    model=str(each.ref),
                    loaded=each.loaded,
                    size_bytes=each.size_bytes,
                    context_tokens=each.context_tokens,
                )
                for each in sorted(models, key=lambda each: not each.loaded)[:MOST_MODELS]
            ),
            models_total=len(models),
        )

    async def _models(self, provider: Provider) -> Sequence[ModelInfo]:
        """Of local providers: hosted ones have hundreds, and are asked for nothing that nobody needs."""
        if not provider.local:
            return ()
        return await self._within(provider.models(), lambda _reason: ())

    async def _within(self, asked: Awaitable[T], otherwise: Callable[[str], T]) -> T:
        try:
            async with asyncio.timeout(self._limit_s):
                return await asked
        except TimeoutError:
            return otherwise(f"no answer in {self._limit_s:g} s")
        except ProviderError as error:
            return otherwise(str(error))

    async def _gpus(self) -> tuple[GpuStatus, ...]:
        if self._cards is None:
            return ()
        # In a thread: the driver may take its time.
        read: Awaitable[tuple[Card, ...]] = asyncio.to_thread(self._cards.read)
        cards = await self._within(read, lambda _reason: ())
        return tuple(
            GpuStatus(name=card.name, total_bytes=card.total_bytes, used_bytes=card.used_bytes)
            for card in cards
        )

    def _for_people(self, detail: str) -> str:
        for secret in self._secrets:
            detail = detail.replace(secret, "…")
        return detail[:_LONGEST_DETAIL]
