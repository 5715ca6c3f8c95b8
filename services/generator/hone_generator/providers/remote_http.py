"""HTTP to a provider that takes a key. The key goes to the provider's own address, and nowhere else.

What would quote a key (exceptions with their requests, logs, a server that repeats it in its errors) never sees it.
"""

import asyncio
import json
import ssl
from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from contextlib import aclosing, asynccontextmanager
from functools import cache
from typing import cast

import httpx
from pydantic import SecretStr

from hone_generator.providers.errors import BadProviderAnswer, ProviderUnavailable
from hone_generator.providers.plain_http import PlainTransport
from hone_generator.providers.wire_fields import Document

HIDDEN = "…"
_SHORTEST_SECRET = 8  # less would blot out ordinary text, and is no key


class _Key(httpx.Auth):
    """In the request's headers only while they are sent: httpx keeps requests in its exceptions and answers."""

    def __init__(self, header: str, form: str, key: SecretStr) -> None:
        self._header, self._form, self._key = header, form, key

    async def async_auth_flow(self, request: httpx.Request) -> AsyncGenerator[httpx.Request, httpx.Response]:
        request.headers[self._header] = self._form.format(self._key.get_secret_value())
        try:
            yield request
        finally:
            del request.headers[self._header]


@cache
def trusted() -> ssl.SSLContext:
    """Who vouches for servers: those that httpx knows, or who stands in ``SSL_CERT_FILE`` (a company's own)."""
    return httpx.create_ssl_context()


class RemoteHttp:
    """One provider at one address. httpx's errors come out as ProviderUnavailable.

    ``key_header`` is a header's name and what its value is, ``{}`` standing for the key. ``direct`` connects without
    the proxies of the environment: right for what lies beside us, and not for what lies beyond a company's wall.
    """

    def __init__(
        self,
        provider: str,
        base_url: str,
        key: SecretStr | None = None,
        key_header: tuple[str, str] = ("Authorization", "Bearer {}"),
        headers: Mapping[str, str] | None = None,
        *,
        direct: bool,
    ) -> None:
        self.provider, self.base_url = provider, base_url.rstrip("/")
        self._key = key
        self._client = httpx.AsyncClient(
            # Connecting again costs more than the request: as many stay open as are asked at a time.
            limits=httpx.Limits(max_connections=None, max_keepalive_connections=64),
            headers={"Accept-Encoding": "identity", "Content-Type": "application/json", **(headers or {})},
            follow_redirects=False,
            verify=trusted(),
            auth=_Key(*key_header, key) if key is not None else None,
            trust_env=not direct,
            mounts={"http://": PlainTransport()} if direct else None,
        )

    def __repr__(self) -> str:
        return f"RemoteHttp({self.provider!r}, {self.base_url!r})"

    async def aclose(self) -> None:
        await self._client.aclose()

    @asynccontextmanager
    async def open(
        self, method: str, path: str, body: Document | None, connect_s: float, within_s: float
    ) -> AsyncIterator[httpx.Response]:
        """The answer, once it begins; leaving closes the connection if there is more to come. Raises TimeoutError."""
        content = None if body is None else json.dumps(body, ensure_ascii=False).encode(errors="replace")
        # Whole answers have limits of their own; a read in between may take as long as they allow.
        timeout = httpx.Timeout(None, connect=connect_s)
        request = self._client.build_request(method, self.base_url + path, content=content, timeout=timeout)
        try:
            async with asyncio.timeout(within_s):
                response = await self._client.send(request, stream=True)
            try:
                yield response
            finally:
                await response.aclose()
        except (httpx.ConnectError, httpx.ConnectTimeout) as error:
            reason = f"nothing answers at {self.base_url} ({self.hidden(str(error)) or type(error).__name__})"
            raise ProviderUnavailable(self.provider, reason) from error
        except (httpx.HTTPError, httpx.InvalidURL, httpx.StreamError) as error:
            reason = f"{self.base_url} broke off ({self.hidden(str(error)) or type(error).__name__})"
            raise ProviderUnavailable(self.provider, reason) from error

    def hidden(self, text: str) -> str:
        """The text without the key, which some servers quote in what they say is wrong with it."""
        secret = self._key.get_secret_value() if self._key is not None else ""
        return text.replace(secret, HIDDEN) if len(secret) >= _SHORTEST_SECRET else text

    def pieces(self, response: httpx.Response) -> AsyncGenerator[bytes, None]:
        """As they come, not unpacked: nothing packed was asked for. httpx calls its generator an iterator."""
        return cast(AsyncGenerator[bytes, None], response.aiter_raw())

    async def whole(self, response: httpx.Response, max_bytes: int) -> str:
        """Raises BadProviderAnswer when there is more."""
        whole = bytearray()
        async with aclosing(self.pieces(response)) as pieces:
            async for piece in pieces:
                whole += piece
                if len(whole) > max_bytes:
                    raise BadProviderAnswer(self.provider, f"it is longer than {max_bytes:,} bytes")
        return self.hidden(whole.decode(errors="replace"))


def media_type(response: httpx.Response) -> str:
    found: str = response.headers.get("Content-Type", "")
    return found.partition(";")[0].strip().lower()
