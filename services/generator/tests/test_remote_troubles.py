"""What goes wrong with OpenAI, Anthropic and Gemini, and what becomes of it: the right error, soon, nothing left."""

import asyncio
import contextlib
import socket
import time
from collections.abc import AsyncIterator
from dataclasses import replace

import pytest
from fake_upstream import PROSE, FakeUpstream
from fake_upstream_troubles import Delays
from remote_cases import ASK, KEY, PROTOCOLS, Protocol, asking, chunks, text_of

from hone_contracts.models import ModelRef
from hone_generator.providers import remote_answers
from hone_generator.providers.base import FinishReason, GenerationRequest
from hone_generator.providers.errors import (
    BadProviderAnswer,
    ContextTooLong,
    GenerationTimeout,
    ModelNotFound,
    NotAuthorised,
    ProviderError,
    ProviderUnavailable,
    RateLimited,
    RequestRefused,
    StreamBroken,
)

HURRIED = replace(ASK, first_token_s=0.2, timeout_s=0.4)


@pytest.fixture(params=PROTOCOLS)
def protocol(request: pytest.FixtureRequest) -> Protocol:
    found: Protocol = request.param
    return found


@pytest.fixture
async def upstream() -> AsyncIterator[FakeUpstream]:
    async with FakeUpstream(delays=Delays(retry_after_s=0.25)) as upstream:
        yield upstream


async def trouble(
    upstream: FakeUpstream, protocol: Protocol, model: str, request: GenerationRequest = ASK
) -> ProviderError:
    """The error that an answer of this model ends in; the next one is good."""
    async with asking(upstream, protocol) as provider:
        with pytest.raises(ProviderError) as raised:
            await chunks(provider, model, request)
        assert text_of(await chunks(provider, "good"))
    return raised.value


@pytest.mark.parametrize(
    ("model", "kind", "transient", "says"),
    [
        ("error-in-stream", StreamBroken, True, "ran into an error"),
        ("cut-stream", StreamBroken, True, "broke off"),
        ("early-end", StreamBroken, True, "in the middle of its answer"),
        ("garbage", BadProviderAnswer, True, "not JSON"),
        ("deep", BadProviderAnswer, True, "not JSON"),
        ("wrong-shape", BadProviderAnswer, True, "is not"),
        ("huge", BadProviderAnswer, True, "more than 1,048,576 bytes"),
        ("long", BadProviderAnswer, True, "far more"),
        ("endless", BadProviderAnswer, True, "far more"),
        ("redirect", BadProviderAnswer, True, "307"),
        ("portal", BadProviderAnswer, True, "text/html"),
        ("teapot", RequestRefused, False, "short and stout"),
        ("missing", ModelNotFound, False, "it has good"),
        ("forbidden", NotAuthorised, False, "not allowed to use this model"),
        ("too-long", ContextTooLong, False, "the 8192 tokens that"),
        ("rate-limit", RateLimited, True, "0.25 s"),
        ("503-queue", None, True, ""),
        ("down", ProviderUnavailable, True, "Service Unavailable"),
        ("overloaded", RateLimited, True, "Overloaded"),
        ("flaky-100", ProviderUnavailable, True, "had an error"),
    ],
)
async def test_each_trouble_has_its_error_and_the_next_answer_is_good(
    upstream: FakeUpstream,
    protocol: Protocol,
    model: str,
    kind: type[ProviderError] | None,
    transient: bool,
    says: str,
) -> None:
    error = await trouble(upstream, protocol, model)
    assert type(error) is (kind or RateLimited)
    assert error.transient is transient
    assert says in str(error)
    assert "\n" not in str(error)


async def test_a_full_queue_tells_when_to_come_again(upstream: FakeUpstream, protocol: Protocol) -> None:
    error = await trouble(upstream, protocol, "503-queue")
    assert isinstance(error, RateLimited)
    assert error.retry_after_s == pytest.approx(0.25)


async def test_a_rate_limit_that_is_over_is_over(upstream: FakeUpstream, protocol: Protocol) -> None:
    async with asking(upstream, protocol) as provider:
        with pytest.raises(RateLimited):
            await chunks(provider, "rate-limit-1")
        assert text_of(await chunks(provider, "rate-limit-1"))


async def test_of_a_flaky_model_as_many_requests_fail_as_its_name_says(protocol: Protocol) -> None:
    failed = 0
    async with (
        FakeUpstream(answer=lambda _: "ok", seed=3) as upstream,
        asking(upstream, protocol) as provider,
    ):
        for _ in range(100):
            try:
                await chunks(provider, "flaky-30")
            except ProviderUnavailable:
                failed += 1
    assert 20 <= failed <= 40


@pytest.mark.parametrize("model", ["slow-first-token", "stall"])
async def test_a_model_that_falls_silent_is_left_when_its_time_is_over(
    upstream: FakeUpstream, protocol: Protocol, model: str
) -> None:
    started = time.monotonic()
    async with asking(upstream, protocol) as provider:
        with pytest.raises(GenerationTimeout) as raised:
            await chunks(provider, model, HURRIED)
    assert raised.value.limit_s == {"slow-first-token": 0.2, "stall": 0.4}[model]
    assert {"slow-first-token": "begin to answer", "stall": "finish"}[model] in str(raised.value)
    assert time.monotonic() - started < 2
    while not upstream.gone:
        await upstream.someone_left.wait()


async def test_a_model_that_never_ends_is_left_when_its_time_is_over(protocol: Protocol) -> None:
    async with FakeUpstream(delays=Delays(piece_s=0.01)) as upstream, asking(upstream, protocol) as provider:
        with pytest.raises(GenerationTimeout):
            await chunks(provider, "endless", HURRIED)


async def test_what_was_said_before_a_stream_broke_was_said(
    upstream: FakeUpstream, protocol: Protocol
) -> None:
    said = []
    async with asking(upstream, protocol) as provider:
        with pytest.raises(StreamBroken):
            async for chunk in provider.generate(ModelRef(provider.name, "cut-stream"), ASK):
                said += [chunk.text]
    assert said == ["a", " member"]


async def test_who_does_not_close_after_the_answer_is_not_waited_for(
    upstream: FakeUpstream, protocol: Protocol, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(remote_answers, "_AFTERWARDS_S", 0.05)
    async with asking(upstream, protocol) as provider, asyncio.timeout(5):
        said = await chunks(provider, "lingers")
    assert text_of(said) == PROSE
    assert said[-1].finish_reason is FinishReason.STOP


@pytest.mark.parametrize("protocol", ["openai", "gemini"])
async def test_too_few_vectors_are_no_answer(upstream: FakeUpstream, protocol: Protocol) -> None:
    async with asking(upstream, protocol) as provider:
        with pytest.raises(BadProviderAnswer, match="1 vectors for 2 texts"):
            await provider.embed(ModelRef(provider.name, "few-vectors"), ["a", "b"])


async def test_nothing_answers_there(protocol: Protocol) -> None:
    upstream = FakeUpstream(url="http://127.0.0.1:9")
    async with asking(upstream, protocol) as provider:
        with pytest.raises(ProviderUnavailable, match=r"nothing answers at http://127\.0\.0\.1:9"):
            await chunks(provider, "good")
        health = await provider.health()
    assert not health.ok
    assert "nothing answers" in health.detail


async def test_a_server_that_takes_no_connections_is_left_within_the_time_for_connecting(
    protocol: Protocol,
) -> None:
    with socket.create_server(("127.0.0.1", 0), backlog=0) as full, contextlib.ExitStack() as waiting:
        for _ in range(4):
            client = waiting.enter_context(socket.socket())
            client.setblocking(False)
            client.connect_ex(full.getsockname())
        upstream = FakeUpstream(url=f"http://127.0.0.1:{full.getsockname()[1]}")
        async with asking(upstream, protocol) as provider:
            with pytest.raises(ProviderUnavailable):
                await chunks(provider, "good", replace(ASK, connect_s=0.2))


async def test_a_server_that_is_silent_after_connecting_is_left_too(protocol: Protocol) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        upstream = FakeUpstream(url=f"http://127.0.0.1:{silent.getsockname()[1]}")
        async with asking(upstream, protocol) as provider:
            with pytest.raises(GenerationTimeout):
                await chunks(provider, "good", HURRIED)


async def test_a_wrong_key_is_told_by_the_name_of_its_variable(protocol: Protocol) -> None:
    async with FakeUpstream(keys={protocol: "another"}) as upstream, asking(upstream, protocol) as provider:
        with pytest.raises(NotAuthorised) as raised:
            await chunks(provider, "good")
        health = await provider.health()
    assert (
        raised.value.key_name
        == {
            "openai": "OPENAI_API_KEY",
            "anthropic": "ANTHROPIC_API_KEY",
            "gemini": "GEMINI_API_KEY",
        }[protocol]
    )
    assert "does not take the key" in str(raised.value)
    assert not health.ok


async def test_cancelling_an_answer_closes_its_connection(upstream: FakeUpstream, protocol: Protocol) -> None:
    async with asking(upstream, protocol) as provider:
        task = asyncio.create_task(chunks(provider, "stall"))
        while not upstream.asked("stall"):
            await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        while not upstream.gone:
            await upstream.someone_left.wait()
        assert text_of(await chunks(provider, "good"))


async def test_a_redirect_takes_the_key_nowhere(protocol: Protocol) -> None:
    async with FakeUpstream() as upstream, asking(upstream, protocol) as provider:
        with pytest.raises(BadProviderAnswer):
            await chunks(provider, "redirect")
        assert len(upstream.requests) == 1
        assert KEY in str(upstream.requests[0].request.headers)
