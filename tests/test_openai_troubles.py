"""What goes wrong with a chat is told to an OpenAI client as such, and nobody works for a caller who has gone."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import nats
import openai
import pytest
from chatting import (
    FOREVER,
    HELLO,
    MODEL,
    NEVER,
    Api,
    PlayedEngine,
    api_of,
    client,
    failing,
    gateway,
    generator,
    joined,
    saying,
)
from playing import KEY
from running import started, until

from hone_contracts.chat import MAX_FRAME_CHARS, AskChat, ChatFrame
from hone_generator.chat.engine import ChatQuestion, Piece
from hone_generator.providers.base import FinishReason
from hone_generator.providers.errors import (
    ContextTooLong,
    GenerationTimeout,
    ModelNotFound,
    NotAuthorised,
    ProviderUnavailable,
    RateLimited,
    RequestRefused,
    StreamBroken,
)


@pytest.fixture
async def api(nats_server: Any, tmp_path: Path) -> AsyncIterator[Api]:
    async with api_of(nats_server.url, tmp_path) as up:
        yield up


FAILURES: list[tuple[Exception, type[openai.APIStatusError], str]] = [
    (ModelNotFound("m"), openai.NotFoundError, "model_not_found"),
    (ContextTooLong("m", 9, 8), openai.BadRequestError, "context_length_exceeded"),
    (RequestRefused("m", "a broken schema"), openai.BadRequestError, "refused"),
    (RateLimited("gemini", 7.2), openai.RateLimitError, "rate_limit_exceeded"),
    (GenerationTimeout("m", 1), openai.InternalServerError, "timeout"),
    (ProviderUnavailable("ollama", "refused"), openai.InternalServerError, "unavailable"),
    (NotAuthorised("openai", "OPENAI_API_KEY", "401"), openai.InternalServerError, "not_authorised"),
]


@pytest.mark.parametrize("stream", [False, True])
async def test_a_failure_before_the_first_word_is_a_status_that_clients_know(api: Api, stream: bool) -> None:
    for error, kind, code in FAILURES:
        api.engine.play = failing(error)
        with pytest.raises(kind) as told:
            await api.say(stream=stream)
        assert told.value.code == code
        assert str(error) in told.value.message


async def test_clients_are_told_how_long_to_wait_and_what_is_in_vain(api: Api) -> None:
    api.engine.play = failing(RateLimited("gemini", 7.2))
    response = await api.post()
    assert (response.status_code, response.headers["retry-after"]) == (429, "8")
    api.engine.play = failing(GenerationTimeout("m", 1))
    assert (await api.post()).status_code == 504
    api.engine.play = failing(NotAuthorised("openai", "OPENAI_API_KEY", "401"))
    response = await api.post()
    assert (response.status_code, response.headers["x-should-retry"]) == (502, "false")


async def test_a_bug_reveals_nothing_of_itself(api: Api) -> None:
    api.engine.play = failing(RuntimeError("sk-secret-key at 10.0.0.7"))
    response = await api.post()
    assert response.status_code == 500
    assert "secret" not in response.text
    assert "10.0.0.7" not in response.text


async def test_a_stream_that_breaks_off_ends_in_an_error_not_in_a_whole_answer(api: Api) -> None:
    api.engine.play = failing(StreamBroken("ollama", "connection reset"), "Once upon", " a")
    seen = []
    with pytest.raises(openai.APIError, match="broke off"):
        async for chunk in await api.say(stream=True):
            seen.append(chunk.choices[0].delta.content)
            assert chunk.choices[0].finish_reason is None
    assert seen == ["Once upon", " a"]
    raw = await api.post({"stream": True})
    assert raw.status_code == 200
    assert raw.text.count("data: ") == 3
    assert "[DONE]" not in raw.text


async def test_whoever_hangs_up_stops_the_model(api: Api) -> None:
    api.engine.play = FOREVER
    stream = await api.say(stream=True)
    assert (await anext(stream)).choices[0].delta.content == "one"
    await stream.close()
    async with asyncio.timeout(30):
        await api.engine.stopped.wait()


async def test_whoever_hangs_up_before_the_answer_stops_the_model_too(api: Api) -> None:
    api.engine.play = NEVER
    waiting = asyncio.create_task(api.say())
    await api.engine.begun.wait()
    waiting.cancel()
    async with asyncio.timeout(30):
        await api.engine.stopped.wait()


async def test_a_long_silence_is_filled_with_comments_that_clients_skip(api: Api) -> None:
    go_on = asyncio.Event()

    async def slow(_question: ChatQuestion) -> Any:
        await go_on.wait()
        yield Piece("late", MODEL, FinishReason.STOP)

    api.engine.play = slow
    body = {"model": MODEL, "messages": HELLO, "stream": True}
    headers = {"Authorization": f"Bearer {KEY}"}
    async with (
        httpx.AsyncClient(timeout=60) as http,
        http.stream("POST", f"{api.url}/v1/chat/completions", json=body, headers=headers) as response,
    ):
        lines = response.aiter_lines()
        assert (await anext(lines)).startswith(":")
        go_on.set()
        assert "late" in joined([line async for line in lines])


async def test_a_reader_who_stops_reading_stops_the_model_from_running_ahead(api: Api) -> None:
    piece = "x" * MAX_FRAME_CHARS
    most = 10_000

    async def flood(_question: ChatQuestion) -> Any:
        for _ in range(most):
            yield Piece(piece, MODEL)
        yield Piece("", MODEL, FinishReason.STOP)

    api.engine.play = flood
    body = {"model": MODEL, "messages": HELLO, "stream": True}
    headers = {"Authorization": f"Bearer {KEY}"}
    async with (
        httpx.AsyncClient(timeout=60) as http,
        http.stream("POST", f"{api.url}/v1/chat/completions", json=body, headers=headers) as response,
    ):
        assert response.status_code == 200
        before = -1
        while before != api.engine.given:  # until it runs no further
            before = api.engine.given
            await asyncio.sleep(1)
        assert 0 < before < most // 3  # a window of frames, and what sockets hold
    async with asyncio.timeout(30):
        await api.engine.stopped.wait()


async def test_more_chats_than_the_generator_takes_are_told_to_come_back(api: Api) -> None:
    api.engine.play = NEVER
    waiting = [asyncio.create_task(api.say()) for _ in range(8)]
    await until(lambda: len(api.engine.asked) == 8)
    response = await api.post()
    assert (response.status_code, response.json()["error"]["code"]) == (503, "busy")
    assert response.headers["retry-after"] == "1"
    for each in waiting:
        each.cancel()
    api.engine.play = saying("again")
    answer = await until(api.post, lambda response: response.status_code == 200)
    assert answer.json()["choices"][0]["message"]["content"] == "again"


async def test_without_a_generator_the_answer_comes_at_once(nats_server: Any, tmp_path: Path) -> None:
    async with gateway(nats_server.url, tmp_path) as url, client(url) as openai_client:
        async with asyncio.timeout(5):
            with pytest.raises(openai.InternalServerError) as told:
                await openai_client.chat.completions.create(model=MODEL, messages=HELLO)
        assert told.value.status_code == 503
        assert told.value.response.headers["retry-after"] == "1"


async def test_a_generator_that_stops_tells_whoever_waits(nats_server: Any, tmp_path: Path) -> None:
    engine = PlayedEngine(NEVER)
    async with gateway(nats_server.url, tmp_path) as url, client(url) as openai_client:
        async with started(generator(nats_server.url, tmp_path, engine)):
            waiting = asyncio.create_task(openai_client.chat.completions.create(model=MODEL, messages=HELLO))
            await engine.begun.wait()
        with pytest.raises(openai.InternalServerError) as told:
            await waiting
        assert (told.value.status_code, told.value.code) == (503, "stopping")


async def test_a_gateway_that_stops_tells_whoever_reads_and_stops_the_model(
    nats_server: Any, tmp_path: Path
) -> None:
    engine = PlayedEngine(FOREVER)
    async with started(generator(nats_server.url, tmp_path, engine)):
        async with gateway(nats_server.url, tmp_path) as url:
            openai_client = client(url)
            stream = await openai_client.chat.completions.create(model=MODEL, messages=HELLO, stream=True)
            assert (await anext(stream)).choices[0].delta.content == "one"
            breaking = asyncio.create_task(anext(stream))
        with pytest.raises(openai.APIError, match="stopping"):
            await breaking
        async with asyncio.timeout(30):
            await engine.stopped.wait()
        await openai_client.close()


async def test_a_generator_that_falls_silent_is_given_up(nats_server: Any, tmp_path: Path) -> None:
    """Killed, or cut off: no frame, no beat, no goodbye."""
    dumb = await nats.connect(nats_server.url)
    first = ChatFrame(kind="chunk", text="Once", model=MODEL).model_dump_json().encode()

    async def begin(message: Any) -> None:
        await dumb.publish(message.reply, first)

    await dumb.subscribe(AskChat.subject, cb=begin)
    async with gateway(nats_server.url, tmp_path) as url, client(url) as openai_client:
        stream = await openai_client.chat.completions.create(model=MODEL, messages=HELLO, stream=True)
        seen: list[str | None] = []
        with pytest.raises(openai.APIError, match="fell silent"):
            while True:
                seen.append((await anext(stream)).choices[0].delta.content)
    assert seen == ["Once"]
    await dumb.close()


async def test_a_frame_that_was_lost_ends_the_answer(nats_server: Any, tmp_path: Path) -> None:
    leaky = await nats.connect(nats_server.url)

    async def answer(message: Any) -> None:
        for number in (0, 2):
            frame = ChatFrame(kind="chunk", sequence=number, text=str(number))
            await leaky.publish(message.reply, frame.model_dump_json().encode())

    await leaky.subscribe(AskChat.subject, cb=answer)
    async with gateway(nats_server.url, tmp_path) as url, client(url) as openai_client:
        with pytest.raises(openai.InternalServerError, match="lost on its way"):
            await openai_client.chat.completions.create(model=MODEL, messages=HELLO)
    await leaky.close()
