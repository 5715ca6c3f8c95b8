"""What goes wrong with Ollama servers, and what becomes of it: the right error, soon, with nothing left behind."""

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import aclosing, asynccontextmanager
from dataclasses import replace

import pytest
from fake_ollama import FakeOllama, serving
from fake_ollama_model import FakeModel

from hone_contracts.models import ModelRef
from hone_generator.memory.errors import OutOfMemory
from hone_generator.providers.base import ChatMessage, FinishReason, GenerationRequest, Role
from hone_generator.providers.errors import (
    BadProviderAnswer,
    GenerationTimeout,
    ModelLoadFailed,
    ModelNotFound,
    ProviderError,
    ProviderUnavailable,
    RateLimited,
    RequestRefused,
    StreamBroken,
)
from hone_generator.providers.ollama import OllamaProvider
from hone_generator.providers.ollama_server import OllamaSettings

ASK = GenerationRequest((ChatMessage(Role.USER, "a member has loans"),), max_tokens=50, timeout_s=20)
QUICK = OllamaSettings(connect_s=2, listing_s=2)
NOTHING_THERE = "http://127.0.0.1:9"


@pytest.fixture
def fake() -> Iterator[FakeOllama]:
    with serving(FakeOllama()) as fake:
        yield fake


@pytest.fixture
def other() -> Iterator[FakeOllama]:
    with serving(FakeOllama()) as fake:
        yield fake


@asynccontextmanager
async def using(*urls: str, settings: OllamaSettings | None = None) -> AsyncIterator[OllamaProvider]:
    provider = OllamaProvider(urls, settings or OllamaSettings())
    yield provider
    await provider.aclose()


async def answer(provider: OllamaProvider, model: str, request: GenerationRequest = ASK) -> str:
    return "".join([chunk.text async for chunk in provider.generate(ModelRef("ollama", model), request)])


async def trouble(
    fake: FakeOllama, model: FakeModel | str, request: GenerationRequest = ASK
) -> ProviderError:
    """The error that an answer of this model ends in, and the service goes on."""
    name = model if isinstance(model, str) else model.name
    fake.add(model, "good")
    async with using(fake.url, settings=QUICK) as provider:
        with pytest.raises(ProviderError) as raised:
            await answer(provider, name, request)
        assert await answer(provider, "good")
    return raised.value


@pytest.mark.parametrize(
    ("model", "kind", "transient", "says"),
    [
        ("error-in-stream", StreamBroken, True, "unexpected EOF"),
        ("oom-in-stream", OutOfMemory, False, "CUDA error"),
        ("cut-stream", StreamBroken, True, "broke off"),
        ("early-end", StreamBroken, True, "without a last word"),
        ("garbage", BadProviderAnswer, True, "not JSON"),
        ("deep", BadProviderAnswer, True, "not JSON"),
        ("not-a-message", BadProviderAnswer, True, "content"),
        ("huge", BadProviderAnswer, True, "far more"),
        ("endless", BadProviderAnswer, True, "far more"),
        ("redirect", BadProviderAnswer, True, "307"),
        ("portal", BadProviderAnswer, True, "text/html"),
        ("teapot", BadProviderAnswer, True, "418"),
        ("embedder", RequestRefused, False, "does not support"),
        ("broken", ModelLoadFailed, False, "bad tensor"),
        ("too-big", OutOfMemory, False, "56.7 GiB"),
        ("vanished", ModelNotFound, False, "ollama pull vanished"),
    ],
)
async def test_each_trouble_has_its_error_and_the_next_answer_is_good(
    fake: FakeOllama, model: str, kind: type[ProviderError], transient: bool, says: str
) -> None:
    error = await trouble(fake, model)
    assert type(error) is kind
    assert error.transient is transient
    assert says in str(error)
    assert "\n" not in str(error)


async def test_a_model_that_loops_has_come_to_an_end_and_no_connection_broke(fake: FakeOllama) -> None:
    """Ollama gives up on it without a last word; asking again would only do the same again."""
    fake.add(FakeModel("loops", says="a member " + "user " * 60))
    async with using(fake.url, settings=QUICK) as provider:
        model, request = ModelRef("ollama", "loops"), replace(ASK, max_tokens=100)
        chunks = [chunk async for chunk in provider.generate(model, request)]
    assert chunks[-1].finish_reason is FinishReason.LENGTH
    assert "".join(chunk.text for chunk in chunks).startswith("a member user user")


async def test_a_line_without_end_is_cut_off_however_long_the_answer_may_be(fake: FakeOllama) -> None:
    error = await trouble(fake, "huge", replace(ASK, max_tokens=100_000))
    assert "far more" in str(error)


async def test_a_full_queue_is_for_later(fake: FakeOllama) -> None:
    fake.add("good").queue_full = True
    async with using(fake.url) as provider:
        with pytest.raises(RateLimited, match="maximum pending requests exceeded") as refusal:
            await answer(provider, "good")
    assert refusal.value.transient


async def test_a_model_that_says_nothing_is_given_up_after_the_time_for_the_first_token(
    fake: FakeOllama,
) -> None:
    fake.add("slow-first-token")
    async with using(fake.url, settings=QUICK) as provider:
        with pytest.raises(GenerationTimeout) as late:
            await answer(provider, "slow-first-token", replace(ASK, first_token_s=0.2))
    assert late.value.limit_s == 0.2
    assert "did not begin to answer within 0.2 s" in str(late.value)
    assert await asyncio.to_thread(fake.disconnected.wait, 10)


async def test_a_model_that_stalls_is_given_up_after_the_time_for_the_answer(fake: FakeOllama) -> None:
    fake.add("stall")
    async with using(fake.url) as provider:
        with pytest.raises(GenerationTimeout) as late:
            await answer(provider, "stall", replace(ASK, timeout_s=0.2))
    assert late.value.limit_s == 0.2
    assert "did not finish within 0.2 s" in str(late.value)
    assert await asyncio.to_thread(fake.disconnected.wait, 10)


async def test_closing_the_answer_closes_the_connection(fake: FakeOllama) -> None:
    fake.add("stall")
    async with using(fake.url) as provider:
        async with aclosing(provider.generate(ModelRef("ollama", "stall"), ASK)) as chunks:
            await anext(chunks)
            assert not fake.disconnected.is_set()
        assert await asyncio.to_thread(fake.disconnected.wait, 10)


async def test_a_cancelled_task_closes_the_connection(fake: FakeOllama) -> None:
    fake.add("slow-first-token")
    async with using(fake.url) as provider:
        task = asyncio.create_task(answer(provider, "slow-first-token"))
        while not fake.chats:
            await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert await asyncio.to_thread(fake.disconnected.wait, 10)


async def test_no_server_says_how_to_start_one() -> None:
    async with using(NOTHING_THERE) as provider:
        for ask in (provider.models, lambda: answer(provider, "any")):
            with pytest.raises(ProviderUnavailable) as away:
                await ask()
            assert "`ollama serve`" in str(away.value)
            assert "OLLAMA_HOST" in str(away.value)
        health = await provider.health()
    assert not health.ok
    assert "`ollama serve`" in health.detail


@asynccontextmanager
async def raw_server(
    talk: Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]],
) -> AsyncIterator[str]:
    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(ConnectionError):
            await talk(reader, writer)
        writer.close()

    server = await asyncio.start_server(connected, "127.0.0.1", 0)
    yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    server.close()


async def test_something_that_does_not_speak_http_is_not_available() -> None:
    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"220 mail.example ESMTP\r\n")
        await writer.drain()

    async with raw_server(talk) as url, using(url, settings=QUICK) as provider:
        with pytest.raises(ProviderUnavailable, match="broke off"):
            await answer(provider, "any")


async def test_a_server_that_lists_without_end_is_cut_off() -> None:
    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n\r\n")
        while True:
            writer.write(b" " * 1_000_000)
            await writer.drain()

    async with raw_server(talk) as url, using(url, settings=replace(QUICK, listing_s=30)) as provider:
        with pytest.raises(BadProviderAnswer, match="longer than"):
            await provider.models()


async def test_a_server_that_hangs_is_left_alone_while_another_works(fake: FakeOllama) -> None:
    fake.add("good")
    with socket.create_server(("127.0.0.1", 0)) as silent:
        hanging = f"http://127.0.0.1:{silent.getsockname()[1]}"
        async with using(
            hanging, fake.url, settings=replace(QUICK, listing_s=0.5, retry_down_host_s=600)
        ) as provider:
            assert await answer(provider, "good")
            silent.setblocking(False)
            silent.accept()
            assert await answer(provider, "good")
            with pytest.raises(BlockingIOError):
                silent.accept()
            with pytest.raises(ProviderUnavailable, match="did not answer /api/tags within"):
                await answer(provider, "missing")
            health = await provider.health()
            assert health.ok
            assert hanging in health.detail
            assert [str(info.ref) for info in await provider.models()] == ["ollama:good:latest"]


async def test_a_model_runs_where_it_is_loaded_else_where_it_is_present(
    fake: FakeOllama, other: FakeOllama
) -> None:
    fake.add("both", "here")
    other.add("both", "there")
    other.loaded["both:latest"] = 4096
    async with using(fake.url, other.url) as provider:
        await answer(provider, "both")
        assert (len(fake.chats), len(other.chats)) == (0, 1)
        await answer(provider, "there")
        assert (len(fake.chats), len(other.chats)) == (0, 2)
        await answer(provider, "here")
        assert (len(fake.chats), len(other.chats)) == (1, 2)
        listed = {str(info.ref): info.loaded for info in await provider.models()}
    assert listed == {"ollama:both:latest": True, "ollama:here:latest": True, "ollama:there:latest": True}


async def test_a_reference_with_an_address_runs_there_and_nowhere_else(
    fake: FakeOllama, other: FakeOllama
) -> None:
    fake.add("both")
    other.add("both")
    async with using(fake.url, other.url) as provider:
        there = ModelRef("ollama", "both", other.url)
        assert [chunk async for chunk in provider.generate(there, ASK)]
        assert (len(fake.chats), len(other.chats)) == (0, 1)
        elsewhere = ModelRef("ollama", "both", "http://192.0.2.1:80")
        with pytest.raises(RequestRefused, match="add it to OLLAMA_HOST"):
            await anext(provider.generate(elsewhere, ASK))


async def test_a_model_that_is_answered_elsewhere_is_neither_listed_nor_asked(fake: FakeOllama) -> None:
    fake.add(FakeModel("big:cloud", remote_host="https://ollama.com:443"))
    async with using(fake.url) as provider:
        assert await provider.models() == []
        with pytest.raises(RequestRefused, match=r"ollama\.com"):
            await answer(provider, "big:cloud")
    assert not fake.chats


async def test_what_a_model_thinks_is_not_its_answer_and_a_missing_count_is_no_error() -> None:
    lines = (
        b'{"message":{"role":"assistant","content":"","thinking":"hm"},"done":false}\n\n'
        b'{"message":{"role":"assistant","content":"yes"},"done":false}\r\n'
        b'{"message":{"role":"assistant","content":""},"done":true}\n'
    )
    listing = b'{"models":[{"name":"m:latest","model":"m:latest"}]}'

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        body, kind = (lines, b"x-ndjson") if b"/api/chat" in head else (listing, b"json")
        start = b"HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-type: application/"
        writer.write(start + kind + b"\r\n\r\n" + body)
        await writer.drain()

    async with raw_server(talk) as url, using(url) as provider:
        chunks = [chunk async for chunk in provider.generate(ModelRef("ollama", "m"), ASK)]
    assert [(chunk.text, chunk.finish_reason) for chunk in chunks] == [("yes", None), ("", FinishReason.STOP)]
    assert chunks[-1].usage is None


@pytest.mark.parametrize(
    "line",
    [
        '{"models":{}}',
        '{"models":[1]}',
        "[]",
        '{"models":[{"name":7}]}',
        '{"models":[{"name":"a b"}]}',
        "\ufffd",
    ],
)
async def test_a_list_of_models_that_is_none_is_a_bad_answer(line: str) -> None:
    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(
            b"HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-type: application/json\r\n\r\n" + line.encode()
        )
        await writer.drain()

    async with raw_server(talk) as url, using(url) as provider:
        with pytest.raises(BadProviderAnswer):
            await provider.models()
