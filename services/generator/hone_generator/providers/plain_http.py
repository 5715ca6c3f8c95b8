"""HTTP/1.1 without TLS to the team's own servers: a transport for httpx, at a fifth of what its own one costs.

Beside a server on the same machine the client is most of the overhead. Connections are kept and used again; one that
the server closes is known to be closed, and not found out by asking the system each time.
"""

import asyncio
from collections import deque
from collections.abc import AsyncIterator
from typing import Self, cast

import httptools
import httpx

_MAX_HEAD_BYTES = 64 * 1024
_MAX_EMPTY_BYTES = (
    64 * 1024
)  # within the body and no part of it: trailers, and what may stand at a chunk's size
_HIGH_WATER_BYTES = 256 * 1024  # of an answer that nobody reads yet; the server has to wait then
_MAX_IDLE = 64
_IDLE_S = 20.0
_CONNECT_S = 5.0

Address = tuple[str, int]


class PlainTransport(httpx.AsyncBaseTransport):
    """For ``http://`` addresses, in one event loop."""

    def __init__(self) -> None:
        self._idle: dict[Address, deque[_Connection]] = {}

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Raises httpx.TransportError."""
        address = (request.url.raw_host.decode("ascii"), request.url.port or 80)
        kept = self._kept(address)
        if kept is not None:
            try:
                return self._response(request, await kept.ask(request))
            except _Unanswered:  # the server had closed it while the question was on its way
                kept.close()
        connection = await self._connect(address, request)
        try:
            return self._response(request, await connection.ask(request))
        except _Unanswered as error:
            raise httpx.RemoteProtocolError("the server closed the connection without an answer") from error

    async def aclose(self) -> None:
        for connections in self._idle.values():
            for connection in connections:
                connection.close()
        self._idle.clear()

    def _kept(self, address: Address) -> "_Connection | None":
        """The one used last: those that nobody needs grow old."""
        connections, now = self._idle.get(address), asyncio.get_running_loop().time()
        while connections:
            connection = connections.pop()
            if connection.is_idle(now):
                return connection
            connection.close()
        return None

    async def _connect(self, address: Address, request: httpx.Request) -> "_Connection":
        limit_s = request.extensions.get("timeout", {}).get("connect") or _CONNECT_S
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout(limit_s):
                _, connection = await loop.create_connection(lambda: _Connection(self, address), *address)
        except TimeoutError as error:
            raise httpx.ConnectTimeout(f"not connected in {limit_s:g} s", request=request) from error
        except OSError as error:
            raise httpx.ConnectError(str(error), request=request) from error
        return connection

    def keep(self, connection: "_Connection") -> None:
        idle, now = self._idle.setdefault(connection.address, deque()), asyncio.get_running_loop().time()
        idle.append(connection)
        while len(idle) > _MAX_IDLE or not idle[0].is_idle(now):
            idle.popleft().close()

    def forget(self, connection: "_Connection") -> None:
        idle = self._idle.get(connection.address)
        if idle is not None and connection in idle:
            idle.remove(connection)

    def _response(self, request: httpx.Request, connection: "_Connection") -> httpx.Response:
        return httpx.Response(
            connection.status, headers=connection.headers, stream=_Body(connection), request=request
        )


class _Unanswered(Exception):
    """The connection was closed before the first byte of an answer."""


class _Connection(asyncio.Protocol):
    """One question at a time. httptools calls the ``on_`` methods."""

    def __init__(self, transport: PlainTransport, address: Address) -> None:
        self._pool, self.address = transport, address
        self._wire: asyncio.Transport | None = None
        self._waiting: asyncio.Future[None] | None = None
        self._idle_since: float | None = None
        self._lost = False
        self._begin()

    def _begin(self) -> None:
        self._parser = httptools.HttpResponseParser(self)
        self.headers: list[tuple[bytes, bytes]] = []
        self.status, self._head_bytes, self._held_bytes, self._empty_bytes = 0, 0, 0, 0
        self._pieces: deque[bytes] = deque()
        self._answered = self._head_done = self._complete = self._reusable = self._until_end = False
        self._surplus = False
        self._failure: httpx.TransportError | None = None

    async def ask(self, request: httpx.Request) -> Self:
        """Returns when the head of the answer is there. Raises httpx.TransportError, _Unanswered."""
        self._begin()
        self._idle_since = None
        if self._wire is None or self._lost:
            raise _Unanswered
        # In no variable: whoever draws a traceback with its values would show the key.
        self._wire.write(await _message(request))
        try:
            while not self._head_done:
                if self._failure is not None:
                    raise self._failure
                if self._lost:
                    raise _Unanswered
                await self._wait()
        except BaseException:
            self.close()
            raise
        return self

    async def piece(self) -> bytes | None:
        """The next piece of the body; None at its end. Raises httpx.TransportError."""
        while not self._pieces:
            if self._failure is not None:
                raise self._failure
            if self._complete:
                return None
            await self._wait()
        piece = self._pieces.popleft()
        self._held_bytes -= len(piece)
        if self._held_bytes < _HIGH_WATER_BYTES and self._wire is not None and not self._wire.is_closing():
            self._wire.resume_reading()
        return piece

    def release(self) -> None:
        """The answer was read, or nobody wants the rest of it."""
        whole = self._complete and not self._surplus and not self._pieces and self._failure is None
        usable = whole and self._reusable
        if usable and not self._lost and self._idle_since is None:
            self._idle_since = asyncio.get_running_loop().time()
            self._pool.keep(self)
        elif self._idle_since is None:
            self.close()

    def is_idle(self, now: float) -> bool:
        return not self._lost and self._idle_since is not None and now - self._idle_since < _IDLE_S

    def close(self) -> None:
        if self._wire is not None:
            self._wire.abort()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._wire = cast(asyncio.Transport, transport)  # uvloop's are no subclass

    def data_received(self, data: bytes) -> None:
        if self._complete:  # nobody asked for that
            self._reusable = False
            self.close()
            return
        self._answered = True
        if not self._head_done:
            self._head_bytes += len(data)
        else:
            self._empty_bytes += len(data)  # unless there is body in it
        try:
            self._parser.feed_data(data)
        except (httptools.HttpParserError, httptools.HttpParserUpgrade) as error:
            self._fail(httpx.RemoteProtocolError(f"this is not HTTP: {error!r}"))
        if not self._head_done and self._head_bytes > _MAX_HEAD_BYTES:
            self._fail(httpx.RemoteProtocolError("the head of the answer is too long"))
        if self._empty_bytes > _MAX_EMPTY_BYTES:
            self._fail(httpx.RemoteProtocolError("the answer goes on, and holds nothing"))
        if self._held_bytes > _HIGH_WATER_BYTES and self._wire is not None and not self._wire.is_closing():
            self._wire.pause_reading()
        self._wake()

    def connection_lost(self, exc: Exception | None) -> None:
        self._lost = True
        self._pool.forget(self)
        if self._head_done and self._until_end and exc is None:
            self._complete = True
        elif self._answered and not self._complete and self._failure is None:
            self._failure = httpx.RemoteProtocolError("the connection was closed within the answer")
        self._wake()

    def on_message_begin(self) -> None:
        self._surplus = self._complete  # a second answer to one question

    def on_header(self, name: bytes, value: bytes) -> None:
        if not self._surplus and not self._head_done:  # trailers are nobody's business
            self.headers.append((name, value))

    def on_headers_complete(self) -> None:
        if self._surplus:
            return
        self.status = self._parser.get_status_code()
        if self.status >= 200:
            self._head_done = True
            names = {name.lower() for name, _ in self.headers}
            self._until_end = not names & {b"content-length", b"transfer-encoding"}
        self._reusable = self._parser.should_keep_alive() and not self._until_end

    def on_body(self, body: bytes) -> None:
        if not self._surplus:
            self._pieces.append(body)
            self._held_bytes += len(body)
            self._empty_bytes = 0

    def on_message_complete(self) -> None:
        if self.status >= 200:
            self._complete = True
        else:  # 100 and its like come before the answer
            self.headers.clear()

    def _fail(self, failure: httpx.TransportError) -> None:
        self._failure = self._failure or failure
        self.close()

    async def _wait(self) -> None:
        self._waiting = asyncio.get_running_loop().create_future()
        await self._waiting

    def _wake(self) -> None:
        if self._waiting is not None and not self._waiting.done():
            self._waiting.set_result(None)


class _Body(httpx.AsyncByteStream):
    def __init__(self, connection: _Connection) -> None:
        self._connection = connection
        self._released = False

    async def __aiter__(self) -> AsyncIterator[bytes]:
        while (piece := await self._connection.piece()) is not None:
            yield piece

    async def aclose(self) -> None:
        if not self._released:
            self._released = True
            self._connection.release()


async def _message(request: httpx.Request) -> bytes:
    """Raises httpx.LocalProtocolError: a line break would begin another header, and httpx lets it through."""
    head = [request.method.encode() + b" " + request.url.raw_path + b" HTTP/1.1"]
    head += [name + b": " + value for name, value in request.headers.raw]
    if any(b"\r" in line or b"\n" in line for line in head):
        head.clear()
        raise httpx.LocalProtocolError("a header has a line break in it", request=request)
    assert isinstance(request.stream, httpx.AsyncByteStream)
    body = b"".join([part async for part in request.stream])
    return b"\r\n".join(head) + b"\r\n\r\n" + body
