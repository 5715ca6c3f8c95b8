"""A version onto every host that has its base: all of them or none."""

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import Any

from hone_contracts.ollama_hosts import InvalidOllamaHost, parse_hosts
from hone_hub.deploy.ollama.errors import (
    BadOllamaHost,
    OllamaError,
    OllamaModelMissing,
    OllamaNotRunning,
)
from hone_hub.deploy.ollama.host import OllamaHost
from hone_hub.deploy.ollama.shown import Shown


@dataclass(frozen=True)
class Place:
    """A host, and the base as it has it."""

    host: OllamaHost
    base_name: str
    base: Shown


Deploy = Callable[[Place], Awaitable[dict[str, Any]]]
Remove = Callable[[OllamaHost], Awaitable[None]]


class Hosts:
    """``named`` as in OLLAMA_HOST; nobody is asked before there is something to deploy."""

    def __init__(self, named: str, limit_s: float) -> None:
        self._named, self._limit_s = named, limit_s

    @asynccontextmanager
    async def all(self) -> AsyncIterator[tuple[OllamaHost, ...]]:
        """Raises BadOllamaHost."""
        try:
            urls = parse_hosts(self._named)
        except InvalidOllamaHost as error:
            raise BadOllamaHost(error.text, error.reason) from error
        async with AsyncExitStack() as stack:
            hosts = [OllamaHost(url, self._limit_s) for url in urls]
            yield tuple([await stack.enter_async_context(host) for host in hosts])

    async def deploy(self, base_name: str, deploy: Deploy) -> dict[str, Any]:
        """The proofs by host. Raises HubError when one of them fails: then it is for the caller to remove all."""
        async with self.all() as hosts:
            places, away = await self._places(hosts, base_name)
            proofs = {place.host.url: await deploy(place) for place in places}
        return {"hosts": proofs} | ({"away": away} if away else {})

    async def _places(self, hosts: Sequence[OllamaHost], base_name: str) -> tuple[list[Place], list[str]]:
        """Where the base is, and the hosts that do not answer: they have no version that they do not know of, and
        the generator asks elsewhere. Raises OllamaError when there is no place."""
        places: list[Place] = []
        away: list[str] = []
        reason: OllamaNotRunning | None = None
        for host in hosts:
            try:
                await host.check_version()
                shown = await host.show(base_name)
            except OllamaNotRunning as error:
                away.append(host.url)
                reason = error
                continue
            if shown is not None:
                places.append(Place(host, base_name, Shown.read(shown)))
        if not places:
            raise reason or OllamaModelMissing(base_name, tuple(host.url for host in hosts))
        return places, away

    async def remove(self, remove: Remove) -> None:
        """From every host that answers. Raises the last OllamaError, if there was one."""
        trouble: OllamaError | None = None
        async with self.all() as hosts:
            for host in hosts:
                try:
                    await remove(host)
                except OllamaError as error:
                    trouble = error
        if trouble is not None:
            raise trouble
