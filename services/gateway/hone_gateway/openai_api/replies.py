"""A request and its answer on plain ASGI: read within the limit, answered whole or as a stream."""

from starlette.types import Receive, Scope, Send

from hone_gateway.errors import BodyTooLarge
from hone_gateway.openai_api.answers import failure
from hone_gateway.openai_api.chats import CallerGone
from hone_gateway.openai_api.errors import Header, Told

_JSON = (b"content-type", b"application/json")
_EVENTS: list[Header] = [
    (b"content-type", b"text/event-stream; charset=utf-8"),
    (b"cache-control", b"no-cache"),
    (b"x-accel-buffering", b"no"),  # nginx would collect the stream before passing it on
]


class Reply:
    def __init__(self, scope: Scope, receive: Receive, send: Send, max_body_bytes: int) -> None:
        self.scope = scope
        self._receive, self._send, self._limit = receive, send, max_body_bytes
        self.status = 0
        self.streamed = False

    async def body(self) -> bytes:
        """Raises BodyTooLarge, CallerGone."""
        parts, taken, more = [], 0, True
        while more:
            message = await self._receive()
            if message["type"] == "http.disconnect":
                raise CallerGone
            part = message.get("body", b"")
            taken += len(part)
            if taken > self._limit:
                raise BodyTooLarge(self._limit)
            parts.append(part)
            more = message.get("more_body", False)
        return parts[0] if len(parts) == 1 else b"".join(parts)

    async def until_gone(self) -> None:
        """Returns when the caller has hung up. To be awaited after the body was read."""
        while (await self._receive())["type"] != "http.disconnect":
            continue

    async def whole(self, body: bytes, status: int = 200, headers: tuple[Header, ...] = ()) -> None:
        self.status = status
        length = (b"content-length", b"%d" % len(body))
        await self._send(
            {"type": "http.response.start", "status": status, "headers": [_JSON, length, *headers]}
        )
        await self._send({"type": "http.response.body", "body": body})

    async def event(self, data: bytes) -> None:
        """Waits while the caller reads more slowly than this is sent."""
        if not self.status:
            self.status, self.streamed = 200, True
            await self._send({"type": "http.response.start", "status": 200, "headers": _EVENTS})
        await self._send({"type": "http.response.body", "body": data, "more_body": True})

    async def end(self) -> None:
        await self._send({"type": "http.response.body", "body": b""})

    async def fail(self, told: Told) -> None:
        """As a status while none is sent; else as the stream's last event."""
        if not self.status:
            await self.whole(told.body, told.status, tuple(told.headers))
        elif self.streamed:
            await self.event(failure(told.body))
            await self.end()
