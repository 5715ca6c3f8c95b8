"""HTTP/1.1 of the fake upstream, by hand: a framework would not let it cut a connection in the middle of a chunk."""

import asyncio
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

_MAX_BODY_BYTES = 64 * 1024 * 1024
_REASONS = {200: "OK", 307: "Temporary Redirect", 400: "Bad Request", 401: "Unauthorized", 404: "Not Found"}


@dataclass(frozen=True)
class HttpRequest:
    """Header names are in lower case; the query keeps the first value of each name."""

    method: str
    path: str
    query: Mapping[str, str]
    headers: Mapping[str, str]
    body: bytes

    def document(self) -> dict[str, Any]:
        """The body as JSON, ``{}`` where it is none."""
        try:
            parsed = json.loads(self.body)
        except ValueError:
            return {}
        return parsed if isinstance(parsed, dict) else {}


class Gone(Exception):
    """The client went away, or the connection was cut on purpose: there is nothing more to say on it."""


async def read_request(reader: asyncio.StreamReader) -> HttpRequest:
    """Raises Gone when there is no further request on the connection."""
    try:
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
        first, *lines = head.split("\r\n")
        headers = {
            name.strip().lower(): value.strip()
            for name, _, value in (line.partition(":") for line in lines if line)
        }
        size_bytes = int(headers.get("content-length", "0"))
        if not 0 <= size_bytes <= _MAX_BODY_BYTES:
            raise Gone
        body = await reader.readexactly(size_bytes)
        method, target, _ = first.split(" ")
    except (asyncio.IncompleteReadError, asyncio.LimitOverrunError, ConnectionError, ValueError) as error:
        raise Gone from error
    url = urlsplit(target)
    query = {name: values[0] for name, values in parse_qs(url.query).items()}
    return HttpRequest(method, unquote(url.path), query, headers, body)


class Exchange:
    """One request and what is answered to it. ``pieces_of`` cuts what is streamed into pieces of that many bytes."""

    def __init__(
        self,
        request: HttpRequest,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        pieces_of: int | None = None,
    ) -> None:
        self.request = request
        self._reader, self._writer, self._pieces_of = reader, writer, pieces_of

    async def respond(
        self,
        status: int,
        body: object,
        headers: Mapping[str, str] | None = None,
        content_type: str = "application/json",
    ) -> None:
        """A whole answer; anything but text is written as JSON."""
        content = body.encode() if isinstance(body, str) else json.dumps(body).encode()
        self._head(
            status, {"Content-Type": content_type, "Content-Length": str(len(content)), **(headers or {})}
        )
        await self._write(content)

    async def begin_stream(self) -> None:
        self._head(200, {"Content-Type": "text/event-stream; charset=utf-8", "Transfer-Encoding": "chunked"})
        await self._write(b"")

    async def send(self, content: bytes) -> None:
        step = self._pieces_of or len(content) or 1
        for at in range(0, len(content), step):
            piece = content[at : at + step]
            await self._write(b"%x\r\n%b\r\n" % (len(piece), piece))

    async def end_stream(self) -> None:
        await self._write(b"0\r\n\r\n")

    async def cut(self, content: bytes) -> None:
        """Announce more than is sent, and reset the connection."""
        await self._write(b"%x\r\n%b" % (len(content) + 100, content))
        self._writer.transport.abort()
        raise Gone

    async def wait(self, limit_s: float) -> None:
        """Raises Gone if the client goes away meanwhile."""
        try:
            async with asyncio.timeout(limit_s):
                await self._reader.read(1)
        except TimeoutError:
            return
        except ConnectionError as error:
            raise Gone from error
        raise Gone

    def _head(self, status: int, headers: Mapping[str, str]) -> None:
        lines = [f"HTTP/1.1 {status} {_REASONS.get(status, 'Status')}"]
        lines += [f"{name}: {value}" for name, value in headers.items()]
        self._writer.write("\r\n".join([*lines, "", ""]).encode("latin-1"))

    async def _write(self, content: bytes) -> None:
        if self._reader.at_eof() or self._writer.is_closing():
            raise Gone
        try:
            self._writer.write(content)
            await self._writer.drain()
        except ConnectionError as error:
            raise Gone from error
