"""The way to a provider: whom it trusts, what lies between, what is sent and how much is taken."""

import asyncio
import ssl
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

import pytest
from fake_upstream import PROSE, FakeUpstream
from pydantic import SecretStr
from remote_cases import ASK, KEY, PROTOCOLS, Protocol, asking, chunks, text_of

from hone_generator.providers.base import ChatMessage, Role
from hone_generator.providers.errors import BadProviderAnswer, ProviderUnavailable
from hone_generator.providers.openai import OpenAIProvider, OpenAISettings, Servers
from hone_generator.providers.remote_http import trusted

CERTIFICATE = Path(__file__).with_name("self_signed.pem")


@asynccontextmanager
async def answering(raw: bytes, tls: ssl.SSLContext | None = None) -> AsyncIterator[tuple[str, list[bytes]]]:
    """A server that says the same to everyone; its address, and what it was told."""
    told: list[bytes] = []

    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        told.append(await reader.read(65536))
        writer.write(raw)
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(connected, "127.0.0.1", 0, ssl=tls)
    async with server:
        yield f"127.0.0.1:{server.sockets[0].getsockname()[1]}", told


@pytest.fixture
def tls() -> Iterator[ssl.SSLContext]:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(CERTIFICATE)
    trusted.cache_clear()
    yield context
    trusted.cache_clear()


async def test_whom_a_file_of_the_company_vouches_for_is_asked(
    tls: ssl.SSLContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(CERTIFICATE))
    chunk = b'data: {"choices": [{"delta": {"content": "here"}, "finish_reason": "stop"}]}\n\n'
    head = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nConnection: close\r\n\r\n"
    async with answering(head + chunk, tls) as (address, told):
        provider = OpenAIProvider(OpenAISettings(f"https://{address}/v1", SecretStr(KEY)))
        assert text_of(await chunks(provider, "any")) == "here"
        await provider.aclose()
    assert KEY.encode() in told[0]


async def test_a_server_that_nobody_vouches_for_is_told_nothing(
    tls: ssl.SSLContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("SSL_CERT_FILE", raising=False)
    async with answering(b"", tls) as (address, told):
        provider = OpenAIProvider(OpenAISettings(f"https://{address}/v1", SecretStr(KEY)))
        with pytest.raises(ProviderUnavailable, match=r"(?i)certificate"):
            await chunks(provider, "any")
        await provider.aclose()
    assert not told


@pytest.mark.parametrize("variable", ["HTTP_PROXY", "http_proxy", "ALL_PROXY"])
async def test_what_is_local_is_reached_without_a_proxy(
    variable: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with answering(b"") as (proxy, told), FakeUpstream() as upstream:
        monkeypatch.delenv("NO_PROXY", raising=False)
        monkeypatch.delenv("no_proxy", raising=False)
        monkeypatch.setenv(variable, f"http://{proxy}")
        local = OpenAIProvider(OpenAISettings(upstream.openai_url))
        assert text_of(await chunks(local, "any")) == PROSE
        assert not told
        elsewhere = OpenAIProvider(
            OpenAISettings(upstream.openai_url, servers=Servers(cloud=frozenset({"127.0.0.1"})))
        )
        with pytest.raises(ProviderUnavailable):
            await chunks(elsewhere, "any")
        assert told
        await local.aclose()
        await elsewhere.aclose()


@pytest.mark.parametrize("protocol", PROTOCOLS)
async def test_texts_of_any_kind_arrive(protocol: Protocol) -> None:
    text = "Größe 🐝 \u2028 \x00 \ud800 <|im_end|> \\u0041"
    async with FakeUpstream() as upstream, asking(upstream, protocol) as provider:
        request = replace(ASK, messages=(ChatMessage(Role.USER, text),))
        assert text_of(await chunks(provider, "any", request)) == PROSE
    assert upstream.asked()[0].messages[-1][1] == text.replace("\ud800", "?")


@pytest.mark.parametrize(
    ("raw", "says"),
    [
        (b"not HTTP at all\r\n\r\n", "broke off"),
        (
            b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nContent-Length: 99\r\n\r\ndata: {}",
            "broke off",
        ),
        (b"HTTP/1.1 500 Oh\r\nContent-Length: 999999999\r\n\r\n" + b"x" * 200_000, "answered 500"),
        (b"HTTP/1.1 200 OK\r\n" + b"X-Long: " + b"x" * 200_000 + b"\r\n\r\n", "broke off"),
    ],
    ids=["no HTTP", "cut before the first event", "an endless error", "endless headers"],
)
async def test_what_is_not_even_http_ends_soon_with_an_error(raw: bytes, says: str) -> None:
    async with answering(raw) as (address, _):
        provider = OpenAIProvider(OpenAISettings(f"http://{address}/v1"))
        with pytest.raises(ProviderUnavailable, match=says):
            await chunks(provider, "any")
        await provider.aclose()


async def test_a_list_of_models_may_not_be_of_any_length() -> None:
    head = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nConnection: close\r\n\r\n"
    async with answering(head + b" " * 40_000_000) as (address, _):
        provider = OpenAIProvider(OpenAISettings(f"http://{address}/v1"))
        with pytest.raises(BadProviderAnswer, match="longer than"):
            await provider.models()
        assert not (await provider.health()).ok
        await provider.aclose()
