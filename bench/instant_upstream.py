"""An OpenAI-compatible server that answers at once with the same few words: what a gateway adds is all there is.

python bench/instant_upstream.py        # prints its port
"""

import asyncio
import json
from typing import cast

import uvloop

_WORDS = ("Hello", " from", " an", " instant", " model.")
_HEAD = {"id": "chatcmpl-1", "created": 1, "model": "instant"}
_USAGE = {"prompt_tokens": 9, "completion_tokens": 5, "total_tokens": 14}


def _json(document: object) -> bytes:
    return json.dumps(document, separators=(",", ":")).encode()


def _whole() -> bytes:
    message = {"role": "assistant", "content": "".join(_WORDS)}
    choice = {"index": 0, "message": message, "finish_reason": "stop"}
    body = _json({**_HEAD, "object": "chat.completion", "choices": [choice], "usage": _USAGE})
    head = f"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    return head.encode() + body


def _event(delta: dict[str, str], finish_reason: str | None) -> bytes:
    choice = {"index": 0, "delta": delta, "finish_reason": finish_reason}
    chunk = {**_HEAD, "object": "chat.completion.chunk", "choices": [choice]}
    return b"data: " + _json(chunk) + b"\n\n"


def _stream() -> bytes:
    events = [_event({"role": "assistant", "content": _WORDS[0]}, None)]
    events += [_event({"content": word}, None) for word in _WORDS[1:]]
    counted = {**_HEAD, "object": "chat.completion.chunk", "choices": [], "usage": _USAGE}
    events += [_event({}, "stop"), b"data: " + _json(counted) + b"\n\n", b"data: [DONE]\n\n"]
    body = b"".join(events)
    head = f"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nContent-Length: {len(body)}\r\n\r\n"
    return head.encode() + body


def _models() -> bytes:
    body = _json(
        {"object": "list", "data": [{"id": "instant", "object": "model", "created": 1, "owned_by": "x"}]}
    )
    head = f"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    return head.encode() + body


_WHOLE, _STREAM, _MODELS = _whole(), _stream(), _models()


class _Server(asyncio.Protocol):
    def __init__(self) -> None:
        self._buffer = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # uvloop's transports are no subclass of asyncio's.
        self._transport = cast(asyncio.WriteTransport, transport)

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        head = self._buffer.find(b"\r\n\r\n")
        if head < 0:
            return
        fields = self._buffer[:head].lower()
        at = fields.find(b"\r\ncontent-length:")
        end = head + 4 + (int(fields[at + 17 :].split(b"\r\n", 1)[0]) if at >= 0 else 0)
        if len(self._buffer) < end:
            return
        body, self._buffer = self._buffer[head + 4 : end], self._buffer[end:]
        if fields.startswith(b"get"):
            self._transport.write(_MODELS)
        else:
            self._transport.write(_STREAM if b'"stream":true' in body.replace(b" ", b"") else _WHOLE)


async def _serve() -> None:
    server = await asyncio.get_running_loop().create_server(_Server, "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


if __name__ == "__main__":
    uvloop.run(_serve())
