"""A connection to a server is used again after an answer: connecting costs more than asking."""

import asyncio
from contextlib import aclosing

import pytest

from hone_contracts.models import ModelRef
from hone_generator.providers.base import ChatMessage, GenerationRequest, Role
from hone_generator.providers.openai import OpenAIProvider

_ANSWER = (
    b'data: {"choices":[{"index":0,"delta":{"content":"Hi"},"finish_reason":null}]}\n\n'
    b'data: {"choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}\n\n'
    b"data: [DONE]\n\n"
)


class Server:
    """Answers every request with the same stream. ``ends``: whether the stream ends after its last event."""

    def __init__(self, *, ends: bool) -> None:
        self._ends = ends
        self.connections = 0

    async def __call__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        try:
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                await reader.readexactly(int(head.lower().split(b"content-length:")[1].split(b"\r\n")[0]))
                writer.write(
                    b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"
                    + b"%x\r\n%b\r\n" % (len(_ANSWER), _ANSWER)
                    + (b"0\r\n\r\n" if self._ends else b"")
                )
        except (asyncio.IncompleteReadError, ConnectionError):
            writer.close()


@pytest.mark.parametrize(("ends", "connections"), [(True, 1), (False, 3)])
async def test_one_connection_serves_every_answer_that_comes_to_its_end(ends: bool, connections: int) -> None:
    server = Server(ends=ends)
    listening = await asyncio.start_server(server, "127.0.0.1", 0)
    port = listening.sockets[0].getsockname()[1]
    provider = OpenAIProvider()
    model = ModelRef.parse(f"openai+http://127.0.0.1:{port}/v1:m")
    for _ in range(3):
        request = GenerationRequest((ChatMessage(Role.USER, "hello"),))
        async with asyncio.timeout(20), aclosing(provider.at(model).generate(model, request)) as chunks:
            assert "".join([chunk.text async for chunk in chunks]) == "Hi"
    assert server.connections == connections
    await provider.aclose()
    listening.close()
