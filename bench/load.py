"""A load generator for HTTP/1.1 over kept connections: the same bytes again and again, each answer timed.

Lean on purpose (a protocol, no client library), since it shares the machine with what it measures.
"""

import asyncio
import statistics
from dataclasses import dataclass
from time import perf_counter
from typing import cast

import uvloop


@dataclass(frozen=True)
class Load:
    """Times of single requests in milliseconds, and requests a second over all connections."""

    connections: int
    requests: int
    failed: int
    p50_ms: float
    p99_ms: float
    per_s: float


class _Connection(asyncio.Protocol):
    """One request after the other, until the shared count is used up."""

    def __init__(self, request: bytes, left: list[int], times: list[float]) -> None:
        self._request, self._left, self._times = request, left, times
        self._buffer = b""
        self._sent_at = 0.0
        self.failed = 0
        self.done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._transport: asyncio.WriteTransport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # uvloop's transports are no subclass of asyncio's.
        self._transport = cast(asyncio.WriteTransport, transport)
        self._next()

    def data_received(self, data: bytes) -> None:
        self._buffer = self._buffer + data if self._buffer else data
        end = _end(self._buffer)
        if end is None or len(self._buffer) < end:
            return
        self._times.append(perf_counter() - self._sent_at)
        if not self._buffer.startswith(b"HTTP/1.1 200"):
            self.failed += 1
        self._buffer = b""
        self._next()

    def connection_lost(self, exc: Exception | None) -> None:
        if not self.done.done():
            self.done.set_exception(exc or ConnectionError("the server closed the connection"))

    def _next(self) -> None:
        assert self._transport is not None
        if self._left[0] <= 0:
            self.done.set_result(None)
            self._transport.close()
            return
        self._left[0] -= 1
        self._sent_at = perf_counter()
        self._transport.write(self._request)


def _end(buffer: bytes) -> int | None:
    """Where the answer ends; None while that is not known."""
    head = buffer.find(b"\r\n\r\n")
    if head < 0:
        return None
    fields = buffer[:head].lower()
    at = fields.find(b"\r\ncontent-length:")
    if at >= 0:
        return head + 4 + int(fields[at + 17 :].split(b"\r\n", 1)[0])
    last = buffer.find(b"0\r\n\r\n", head + 4)  # chunked
    return None if last < 0 else last + 5


def post(path: str, body: bytes, key: str) -> bytes:
    """The bytes of a request."""
    head = (
        f"POST {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n"
        f"Authorization: Bearer {key}\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body


def run(port: int, request: bytes, requests: int, connections: int) -> Load:
    return uvloop.run(_run(port, request, requests, connections))


async def _run(port: int, request: bytes, requests: int, connections: int) -> Load:
    loop = asyncio.get_running_loop()
    left, times = [requests], list[float]()
    started = perf_counter()
    made = [
        await loop.create_connection(lambda: _Connection(request, left, times), "127.0.0.1", port)
        for _ in range(connections)
    ]
    await asyncio.gather(*(protocol.done for _, protocol in made))
    elapsed_s = perf_counter() - started
    ordered = sorted(times)
    return Load(
        connections=connections,
        requests=len(times),
        failed=sum(protocol.failed for _, protocol in made),
        p50_ms=round(statistics.median(ordered) * 1000, 3),
        p99_ms=round(ordered[int(len(ordered) * 0.99)] * 1000, 3),
        per_s=round(len(times) / elapsed_s, 1),
    )
