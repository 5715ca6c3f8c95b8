"""HTTP to one Ollama server. What it sends is bounded in size, and redirects are not followed."""

import asyncio
import json
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing, asynccontextmanager
from typing import cast

import httpx

from hone_generator.providers.errors import BadProviderAnswer, ProviderUnavailable
from hone_generator.providers.ollama_hosts import PROVIDER
from hone_generator.providers.plain_http import PlainTransport
from hone_generator.providers.remote_http import media_type
from hone_generator.providers.wire_fields import Document

_MAX_LINE_BYTES = 1024 * 1024


class OllamaHttp:
    """httpx's errors come out as ProviderUnavailable."""

    def __init__(self, url: str, connect_s: float) -> None:
        self.url = url
        self._connect_s = connect_s
        self._client = httpx.AsyncClient(
            # Whole answers have limits of their own; a read in between may take as long as they allow.
            timeout=httpx.Timeout(None, connect=connect_s),
            limits=httpx.Limits(max_connections=None, max_keepalive_connections=8),
            headers={"Accept-Encoding": "identity", "Content-Type": "application/json"},
            follow_redirects=False,
            mounts={"http://": PlainTransport()},
            trust_env=False,  # requirements do not go through a proxy that was meant for browsing
        )

    async def aclose(self) -> None:
        await self._client.aclose()

    @asynccontextmanager
    async def open(
        self, method: str, path: str, body: Document | None, within_s: float, connect_s: float | None = None
    ) -> AsyncIterator[httpx.Response]:
        """The answer, once it begins; leaving closes the connection if there is more to come. Raises TimeoutError.

        ``connect_s`` is for a connection that is to be sooner there than others.
        """
        content = None if body is None else json.dumps(body).encode()
        connect_s = min(connect_s or self._connect_s, self._connect_s)
        timeout = httpx.Timeout(None, connect=connect_s)
        request = self._client.build_request(method, self.url + path, content=content, timeout=timeout)
        try:
            async with asyncio.timeout(within_s):
                response = await self._client.send(request, stream=True)
            try:
                yield response
            finally:
                await response.aclose()
        except (httpx.ConnectError, httpx.ConnectTimeout) as error:
            raise ProviderUnavailable(
                PROVIDER,
                f"nothing answers at {self.url}; start it with `ollama serve`, or set OLLAMA_HOST to where it runs",
            ) from error
        except httpx.HTTPError as error:
            raise ProviderUnavailable(
                PROVIDER, f"{self.url} broke off ({error or type(error).__name__})"
            ) from error


async def read_whole(response: httpx.Response, max_bytes: int) -> bytes:
    """Raises BadProviderAnswer when there is more."""
    whole = bytearray()
    async with aclosing(_pieces(response)) as pieces:
        async for piece in pieces:
            whole += piece
            if len(whole) > max_bytes:
                raise BadProviderAnswer(PROVIDER, f"it is longer than {max_bytes:,} bytes")
    return bytes(whole)


async def read_lines(response: httpx.Response, max_bytes: int) -> AsyncGenerator[bytes, None]:
    """Lines that are not empty; what stands after the last line break was cut off, and does not count.

    Raises BadProviderAnswer when one line, or all together, are too long.
    """
    rest, read_bytes = b"", 0
    async with aclosing(_pieces(response)) as pieces:
        async for piece in pieces:
            read_bytes += len(piece)
            *lines, rest = (rest + piece).split(b"\n")
            if read_bytes > max_bytes or len(rest) > _MAX_LINE_BYTES:
                raise BadProviderAnswer(PROVIDER, "it sends far more than it was asked for")
            for line in lines:
                if line.strip():
                    yield line


def check_type(response: httpx.Response, wanted: str) -> None:
    """Raises BadProviderAnswer: something else than Ollama answers there."""
    found = media_type(response)
    if found != wanted:
        raise BadProviderAnswer(
            PROVIDER,
            f"{response.request.url} answers {found[:80] or 'without a type'}, and Ollama {wanted}",
        )


def _pieces(response: httpx.Response) -> AsyncGenerator[bytes, None]:
    """As they come, not unpacked: nothing packed was asked for. httpx calls its generator an iterator."""
    return cast(AsyncGenerator[bytes, None], response.aiter_raw())
