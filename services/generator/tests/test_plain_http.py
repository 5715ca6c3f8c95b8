"""The transport to the team's own servers: HTTP as servers really speak it, and as none should."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import httpx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hone_generator.providers.plain_http import PlainTransport

Handle = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


class Server:
    """Sends ``answer`` to each question; ``closes`` the connection after it."""

    def __init__(self, answer: bytes, *, closes: bool = False, step: int = 1 << 20) -> None:
        self._answer, self._closes, self._step = answer, closes, step
        self.connections = self.sent = 0
        self.questions: list[bytes] = []

    async def __call__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        try:
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                length = head.lower().partition(b"content-length: ")[2].split(b"\r\n")[0]
                self.questions.append(head + await reader.readexactly(int(length or 0)))
                for start in range(0, len(self._answer), self._step):
                    writer.write(self._answer[start : start + self._step])
                    await writer.drain()
                    self.sent += self._step
                if self._closes:
                    break
        except (asyncio.IncompleteReadError, ConnectionError):
            writer.close()
        else:
            writer.close()


@asynccontextmanager
async def asking(server: Handle) -> AsyncIterator[tuple[httpx.AsyncClient, str]]:
    listening = await asyncio.start_server(server, "127.0.0.1", 0)
    url = f"http://127.0.0.1:{listening.sockets[0].getsockname()[1]}"
    async with asyncio.timeout(60), httpx.AsyncClient(mounts={"http://": PlainTransport()}) as client:
        yield client, url
    listening.close()


async def test_questions_and_answers_share_a_connection() -> None:
    async with asking(server := Server(OK)) as (client, url):
        for number in range(3):
            answer = await client.post(f"{url}/v1?n={number}", json={"n": number}, headers={"X-A": "b"})
            assert (answer.status_code, answer.content) == (200, b"ok")
    assert server.connections == 1
    assert server.questions[2].startswith(b"POST /v1?n=2 HTTP/1.1\r\n")
    assert server.questions[2].endswith(b'\r\n\r\n{"n":2}')
    assert b"X-A: b\r\n" in server.questions[2]


async def test_a_connection_that_the_server_closed_is_made_again() -> None:
    async with asking(server := Server(OK, closes=True)) as (client, url):
        for _ in range(5):
            assert (await client.get(url)).content == b"ok"
    assert server.connections == 5


async def test_many_questions_at_once_have_a_connection_each_and_keep_them() -> None:
    async with asking(server := Server(OK)) as (client, url):
        for _ in range(2):
            answers = await asyncio.gather(*(client.get(url) for _ in range(20)))
            assert [answer.content for answer in answers] == [b"ok"] * 20
    assert server.connections == 20


@pytest.mark.parametrize("step", [1, 7, 1 << 20])
async def test_an_answer_is_the_same_however_it_is_cut(step: int) -> None:
    chunked = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n5\r\ndefgh\r\n0\r\n\r\n"
    first = b"HTTP/1.1 100 Continue\r\n\r\n"
    async with asking(server := Server(first + chunked, step=step)) as (client, url):
        for _ in range(2):
            answer = await client.get(url)
            assert (answer.status_code, answer.content) == (200, b"abcdefgh")
    assert server.connections == 1


async def test_an_answer_without_a_length_ends_with_its_connection() -> None:
    async with asking(Server(b"HTTP/1.1 200 OK\r\n\r\nuntil the end", closes=True)) as (client, url):
        assert (await client.get(url)).content == b"until the end"


@pytest.mark.parametrize(
    "answer",
    [
        b"",
        b"SSH-2.0-OpenSSH_9.2\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nshort",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nab",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\nab\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\nabc",
        b"HTTP/1.1 200 OK\r\nX-Long: " + b"a" * 200_000,
        b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: Upgrade\r\n\r\n",
    ],
)
async def test_what_is_no_whole_answer_is_an_error_and_no_answer(answer: bytes) -> None:
    async with asking(Server(answer, closes=True)) as (client, url):
        with pytest.raises(httpx.TransportError):
            await client.get(url)


async def test_what_a_server_sends_unasked_is_no_answer_to_the_next_question() -> None:
    """Two answers to one question: the second must not be taken for that of whoever asks next."""
    async with asking(server := Server(OK + OK.replace(b"ok", b"no"))) as (client, url):
        for _ in range(3):
            assert (await client.get(url)).content == b"ok"
    assert server.connections == 3


async def test_a_server_waits_for_a_slow_reader() -> None:
    size = 64 * 1024 * 1024
    head = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % size
    server = Server(head + bytes(size), step=1 << 16)
    async with asking(server) as (client, url), client.stream("GET", url) as answer:
        pieces = answer.aiter_raw()
        taken = len(await anext(pieces))
        before = -1
        while before != server.sent:  # until it sends no more
            before = server.sent
            await asyncio.sleep(0.3)
        assert server.sent < size // 2
        assert taken + sum([len(piece) async for piece in pieces]) == size


async def test_nobody_there_is_a_connect_error() -> None:
    async with asking(Server(OK)) as (client, url):
        pass
    async with httpx.AsyncClient(mounts={"http://": PlainTransport()}) as client:
        with pytest.raises(httpx.ConnectError):
            await client.get(url)


async def test_a_header_cannot_bring_another_one() -> None:
    async with asking(server := Server(OK)) as (client, url):
        with pytest.raises(httpx.LocalProtocolError):
            await client.get(url, headers={"X-A": "b\r\nX-Evil: c"})
    assert not server.questions


@settings(max_examples=60, deadline=None)
@given(st.binary(max_size=200), st.sampled_from([b"", OK[:20], OK, b"HTTP/1.1 200 OK\r\n"]))
def test_no_bytes_make_it_hang_or_break_otherwise(noise: bytes, head: bytes) -> None:
    async def ask() -> None:
        async with asking(Server(head + noise, closes=True)) as (client, url):
            try:
                await client.get(url)
            except (httpx.TransportError, httpx.DecodingError):
                return

    asyncio.run(ask())


CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n"


@pytest.mark.parametrize(
    "endless",
    [b"0\r\n" + b"X-A: b\r\n" * 50_000, b"0\r\nX-A: " + b"b" * 400_000, b"1;" + b"a" * 400_000],
    ids=["trailers", "one trailer", "a chunk's extension"],
)
async def test_an_answer_that_goes_on_and_holds_nothing_is_broken_off(endless: bytes) -> None:
    async with asking(Server(CHUNKED + endless, step=16 * 1024)) as (client, url):
        with pytest.raises(httpx.RemoteProtocolError, match="holds nothing"):
            await client.get(url)


async def test_trailers_are_no_headers() -> None:
    async with asking(Server(CHUNKED + b"0\r\nContent-Type: text/html\r\n\r\n")) as (client, url):
        answer = await client.get(url)
    assert (answer.content, "Content-Type" in answer.headers) == (b"ok", False)
