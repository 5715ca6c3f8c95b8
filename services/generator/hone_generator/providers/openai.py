"""OpenAI, and every server that speaks as it does: llama-server, vLLM, LM Studio, company gateways.

``openai:MODEL`` is answered by OpenAI, or by the server that is set in its place, and
``openai+http://host:port/v1:MODEL`` by the server that it names. Each server is a provider of its own (``at``), which
knows whether it is one of the team's.
"""

import ipaddress
import re
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from pydantic import SecretStr

from hone_contracts.models import ModelRef
from hone_generator.providers.base import Capabilities, Chunk, GenerationRequest, Health, ModelInfo
from hone_generator.providers.errors import RequestRefused
from hone_generator.providers.keys import OPENAI_KEY, SERVER_KEYS
from hone_generator.providers.openai_wire import PROVIDER, OpenAIWire
from hone_generator.providers.remote_provider import RemoteProvider

OPENAI_URL = "https://api.openai.com/v1"
_MOST_SERVERS = 64
_PORTS = {"http": 80, "https": 443}
# Written out: what Python calls private holds ranges that lead elsewhere, such as those of IPv6 translators.
_OWN_NETWORKS = tuple(
    ipaddress.ip_network(network)
    for network in ("127.0.0.0/8", "10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "::1/128", "fc00::/7")
)
# Of all clouds, and those of single ones: Amazon's, Google's, Alibaba's, Azure's.
_METADATA_NETWORKS = tuple(
    ipaddress.ip_network(network)
    for network in (
        "169.254.0.0/16", "fe80::/10", "fd00:ec2::254/128", "fd20:ce::254/128",
        "100.100.100.200/32", "168.63.129.16/32",
    )
)  # fmt: skip
_METADATA_NAMES = frozenset(
    {"metadata", "metadata.google.internal", "instance-data", "instance-data.ec2.internal"}
)
_ALL_NETWORKS = (ipaddress.ip_network("0.0.0.0/0"), ipaddress.ip_network("::/0"))
# Systems read these as addresses too, and so they would hide one.
_ODD_NUMBERS = re.compile(r"(?:0x[0-9a-f]*|[0-9]+)(?:\.(?:0x[0-9a-f]*|[0-9]+))*")


def host_of(base_url: str) -> str:
    return (urlsplit(base_url).hostname or "").rstrip(".").lower()


def place(base_url: str) -> str:
    """The address in one way to write it, so that two ways to write it are one server."""
    url = urlsplit(base_url.strip())
    port = url.port or _PORTS.get(url.scheme.lower(), 0)
    host = host_of(base_url)
    return f"{url.scheme.lower()}://{f'[{host}]' if ':' in host else host}:{port}{url.path.rstrip('/')}"


@dataclass(frozen=True, slots=True)
class Servers:
    """Where servers are. What is sent to local ones stays with the team.

    Local are loopback and private addresses, and the hosts or base URLs that ``local`` names; not those that
    ``cloud`` names, which pass on what they get. The name of a host says nothing of where it is: what it resolves to
    can change between looking and asking. Which of them a request may name is for ``allowed_servers`` to say.
    """

    local: frozenset[str] = frozenset()
    cloud: frozenset[str] = frozenset()

    def is_local(self, base_url: str) -> bool:
        if _named(base_url, self.cloud):
            return False
        if _named(base_url, self.local) or host_of(base_url) == "localhost":
            return True
        return _address_in(host_of(base_url), _OWN_NETWORKS)


@dataclass(frozen=True, slots=True)
class OpenAISettings:
    """``base_url`` is who answers ``openai:MODEL``, with ``key``; ``server_keys`` are by base URL."""

    base_url: str = OPENAI_URL
    key: SecretStr | None = None
    servers: Servers = field(default_factory=Servers)
    server_keys: Mapping[str, SecretStr] = field(default_factory=dict)


class OpenAIProvider:
    """All servers. It is itself the one that answers ``openai:MODEL``.

    Whoever must know whether a model is one of the team's asks its server: ``at(model).local``.
    """

    name = PROVIDER

    def __init__(self, settings: OpenAISettings | None = None) -> None:
        self._settings = settings or OpenAISettings()
        self._default = self._server(self._settings.base_url)
        self._named: dict[str, RemoteProvider] = {place(self._settings.base_url): self._default}

    @property
    def local(self) -> bool:
        return self._default.local

    @property
    def capabilities(self) -> Capabilities:
        return self._default.capabilities

    def at(self, model: ModelRef) -> RemoteProvider:
        """The server that answers the model. Raises RequestRefused."""
        if model.provider != PROVIDER:
            raise RequestRefused(str(model), "it is a model of another provider")
        if model.base_url is None:
            return self._default
        try:
            where = place(model.base_url)
        except ValueError as error:
            raise RequestRefused(str(model), "its address has no port that can be") from error
        if where in self._named:
            return self._named[where]
        if refusal := _refusal(model.base_url):
            raise RequestRefused(str(model), refusal)
        if len(self._named) > _MOST_SERVERS:
            raise RequestRefused(str(model), f"too many servers are in use: {_MOST_SERVERS} may be")
        self._named[where] = self._server(model.base_url)
        return self._named[where]

    async def generate(self, model: ModelRef, request: GenerationRequest) -> AsyncGenerator[Chunk, None]:
        server = self._server_of(model)
        async with aclosing(server.generate(model, request)) as chunks:
            async for chunk in chunks:
                yield chunk

    async def embed(self, model: ModelRef, texts: Sequence[str]) -> Sequence[Sequence[float]]:
        return await self._server_of(model).embed(model, texts)

    async def models(self) -> Sequence[ModelInfo]:
        return await self._default.models()

    async def health(self) -> Health:
        return await self._default.health()

    async def aclose(self) -> None:
        for server in self._named.values():
            await server.aclose()

    def _server_of(self, model: ModelRef) -> RemoteProvider:
        """Who took this provider for one of the team's must not reach the world through it."""
        server = self.at(model)
        if self.local and not server.local:
            raise RequestRefused(str(model), f"{server.base_url} is not on the team's machines")
        return server

    def _server(self, base_url: str) -> RemoteProvider:
        """The key of ``openai:`` is for its own server and no other, whatever a reference names."""
        settings, original = self._settings, host_of(base_url) == host_of(OPENAI_URL)
        by_place = {place(url): key for url, key in settings.server_keys.items()}
        default = place(base_url) == place(settings.base_url)
        key = by_place.get(place(base_url)) or (settings.key if default else None)
        wire = OpenAIWire(original=original)
        return RemoteProvider(
            wire,
            base_url,
            key,
            OPENAI_KEY if default else SERVER_KEYS,
            local=settings.servers.is_local(base_url),
            key_needed=original,
            named=not default,
            embeddings=wire,
        )


def _refusal(base_url: str) -> str | None:
    """Why nobody may name this server, not even a route."""
    if host_of(base_url) in _METADATA_NAMES or _address_in(host_of(base_url), _METADATA_NETWORKS):
        return "its address is one at which machines tell their own secrets"
    if _ODD_NUMBERS.fullmatch(host_of(base_url)) and not _address_in(host_of(base_url), _ALL_NETWORKS):
        return "its address is a number, and not one of the usual form"
    return None


def _named(base_url: str, names: frozenset[str]) -> bool:
    """By its base URL, or by its host, with or without the port."""
    url, host = urlsplit(place(base_url)), host_of(base_url)
    wanted = {host, f"{host}:{url.port}", url.netloc, place(base_url)}
    return any((place(name) if "://" in name else name.strip().lower()) in wanted for name in names)


def _address_in(host: str, networks: Sequence[ipaddress.IPv4Network | ipaddress.IPv6Network]) -> bool:
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return False
    if isinstance(address, ipaddress.IPv6Address):
        address = address.ipv4_mapped or address
    return any(address in network for network in networks)
