"""A stand-in for OpenAI, Anthropic and Gemini on one port of loopback: their protocols, and their troubles.

A model chooses its trouble by its name, before a colon, so that several can have the same: ``flaky-30`` (30 %
of its requests fail), ``slow-first-token``, ``stall``, ``cut-stream``, ``error-in-stream``, ``early-end``,
``rate-limit``, ``rate-limit-1`` (recovers after one), ``503-queue``, ``down``, ``overloaded``, ``garbage``,
``deep``, ``wrong-shape`` (of the protocol), ``wrong-schema`` (of the answer), ``endless``, ``huge``,
``long``, ``portal``, ``redirect``, ``missing``, ``forbidden``, ``teapot``, ``echo-key`` (the key in its
error), ``refuses``, ``cut-short`` (finish reason length), ``keep-alive``, ``no-usage``, ``too-long``,
``little-room`` (100 tokens for prompt and answer), ``no- schema`` (knows no response format), ``old-tokens``
and ``new-tokens`` (``max_tokens``, or only ``max_completion_tokens``), ``no-temperature``.

All other names answer what the test gives them: ``answers`` by name, else ``answer``; a model with a schema and
nothing to say writes the least document of it.

Run alone, ``python fake_upstream.py --port 0`` prints its URL and serves until it is stopped.
"""

import argparse
import asyncio
import dataclasses
import json
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from fake_upstream_answers import canned
from fake_upstream_anthropic import AnthropicProtocol
from fake_upstream_gemini import GeminiProtocol
from fake_upstream_http import Exchange, Gone, HttpRequest, read_request
from fake_upstream_openai import OpenAIProtocol
from fake_upstream_troubles import WRONG_SHAPE, Delays, Troubles, trouble_of, wrong_parameter
from fake_upstream_wire import Answer, Asked, VendorProtocol, least_instance

Answering = Callable[[Asked], Answer | str]
PROSE = "a member has many loans and a loan is of one book and so on"


@dataclass(frozen=True)
class Recorded:
    """A request as it came in, and what it asked, if it was a question to a model."""

    protocol: str
    request: HttpRequest
    asked: Asked | None

    @property
    def body(self) -> dict[str, Any]:
        return self.request.document()


@dataclass
class FakeUpstream:
    """``answers``: what a model says, by its name; of several texts each question gets the next, the last one again.

    ``keys``: those that each protocol takes; without one it takes any, and none. ``requests`` has all that came in.
    """

    answers: dict[str, str | Sequence[str] | Answering] = field(default_factory=dict)
    answer: Answering | None = None
    keys: Mapping[str, str] = field(default_factory=dict)
    models: tuple[str, ...] = ("good",)
    delays: Delays = field(default_factory=Delays)
    seed: int = 0
    dimensions: int = 8
    pieces_of: int | None = None
    context_tokens: int = 8_192
    url: str = ""
    requests: list[Recorded] = field(default_factory=list)
    gone: int = 0  # clients that left in the middle of an answer, whom ``someone_left`` tells of
    someone_left: asyncio.Event = field(default_factory=asyncio.Event)

    def __post_init__(self) -> None:
        self._protocols = {p.name: p for p in (OpenAIProtocol(), AnthropicProtocol(), GeminiProtocol())}
        self._troubles = Troubles(self.delays, self.seed)
        self._counts: dict[str, int] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._server: asyncio.Server | None = None

    @property
    def openai_url(self) -> str:
        return f"{self.url}/v1"

    @property
    def gemini_url(self) -> str:
        return self.url

    @property
    def anthropic_url(self) -> str:
        return self.url

    def asked(self, model: str | None = None) -> list[Asked]:
        """The questions that came in, of one model or of all."""
        return [r.asked for r in self.requests if r.asked and (model is None or r.asked.model == model)]

    async def __aenter__(self) -> "FakeUpstream":
        await self.start()
        return self

    async def __aexit__(self, *exception: object) -> None:
        await self.stop()

    async def start(self, port: int = 0) -> None:
        self._server = await asyncio.start_server(self._connected, "127.0.0.1", port, limit=1024 * 1024)
        self.url = f"http://127.0.0.1:{self._server.sockets[0].getsockname()[1]}"

    async def stop(self) -> None:
        """Nothing answers there any more; connections are cut."""
        if self._server is not None:
            self._server.close()
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        try:
            while True:
                request = await read_request(reader)
                exchange = Exchange(request, reader, writer, self.pieces_of)
                try:
                    await self._answer(exchange)
                except Gone:
                    self.gone += 1
                    self.someone_left.set()
                    raise
        except (Gone, asyncio.CancelledError):
            writer.transport.abort()
        finally:
            self._tasks.discard(task)

    async def _answer(self, exchange: Exchange) -> None:
        request = exchange.request
        protocol = self._protocol_of(request)
        model = _model_of(protocol.name, request)
        chat = request.path.rpartition("/")[2].rpartition(":")[2] in {
            "completions", "messages", "generateContent", "streamGenerateContent",
        }  # fmt: skip
        asked = protocol.asked(request, model) if chat and request.method == "POST" else None
        self.requests.append(Recorded(protocol.name, request, asked))
        wanted = self.keys.get(protocol.name)
        if wanted is not None and protocol.key(request) != wanted:
            message = f"Incorrect API key provided: {protocol.key(request)}"
            await self._fail(exchange, protocol, 401, "invalid_api_key", message)
        elif asked is not None:
            await self._chat(exchange, protocol, asked)
        else:
            await self._other(exchange, protocol, model)

    def _protocol_of(self, request: HttpRequest) -> VendorProtocol:
        if request.path.startswith("/v1beta/"):
            return self._protocols["gemini"]
        anthropic = request.path == "/v1/messages" or "anthropic-version" in request.headers
        return self._protocols["anthropic" if anthropic else "openai"]

    async def _chat(self, exchange: Exchange, protocol: VendorProtocol, asked: Asked) -> None:
        name = trouble_of(asked.model)
        if name == "redirect":
            await exchange.respond(307, {}, {"Location": f"{self.url}/elsewhere"})
        elif name == "echo-key":
            await self._fail(
                exchange, protocol, 500, "", f"the key {protocol.key(exchange.request)} is used up"
            )
        elif name == "echo-type":
            await exchange.respond(200, "hello", content_type=f"text/{protocol.key(exchange.request)}")
        elif refusal := self._troubles.refusal(asked):
            await self._fail(exchange, protocol, *refusal)
        elif wrong := wrong_parameter(protocol.name, asked, self.context_tokens):
            await self._fail(exchange, protocol, 400, *wrong)
        else:
            await self._troubles.tell(exchange, protocol, asked, self._said(asked))

    def _said(self, asked: Asked) -> Answer:
        name = trouble_of(asked.model)
        given = self.answers.get(asked.model, self.answer)
        if given is None or name == "wrong-schema":
            text = WRONG_SHAPE if name == "wrong-schema" else canned(asked) or _least(asked)
            said: Answer | str = text
        elif isinstance(given, str):
            said = given
        elif callable(given):
            said = given(asked)
        else:
            count = self._counts[asked.model] = self._counts.get(asked.model, 0) + 1
            said = given[min(count, len(given)) - 1]
        answer = Answer(said) if isinstance(said, str) else said
        finish = {"refuses": "refused", "cut-short": "length"}.get(name, answer.finish)
        return dataclasses.replace(answer, finish=finish, usage=answer.usage and name != "no-usage")

    async def _other(self, exchange: Exchange, protocol: VendorProtocol, model: str) -> None:
        path, method = exchange.request.path, exchange.request.method
        if path.endswith("/models") and method == "GET":
            await exchange.respond(200, protocol.listing(self.models))
        elif path.endswith(("/embeddings", ":batchEmbedContents")) and method == "POST":
            answer = protocol.embeddings(exchange.request.document(), self.dimensions)
            if trouble_of(model) == "few-vectors":
                next(each for each in answer.values() if isinstance(each, list)).pop()
            await exchange.respond(200, answer)
        else:
            await self._fail(exchange, protocol, 404, "", f"there is nothing at {path}")

    async def _fail(
        self,
        exchange: Exchange,
        protocol: VendorProtocol,
        status: int,
        code: str,
        message: str,
        retry_after_s: float | None = None,
    ) -> None:
        document = protocol.error(status, code, message, retry_after_s)
        headers = protocol.retry_headers(retry_after_s) if retry_after_s is not None else {}
        await exchange.respond(
            document["error"].get("code") if protocol.name == "gemini" else status, document, headers
        )


def _least(asked: Asked) -> str:
    return json.dumps(least_instance(asked.schema)) if asked.schema is not None else PROSE


def _model_of(protocol: str, request: HttpRequest) -> str:
    if protocol != "gemini":
        return str(request.document().get("model", ""))
    return request.path.removeprefix("/v1beta/models/").rpartition(":")[0]


@contextmanager
def serving_upstream(upstream: FakeUpstream) -> Iterator[FakeUpstream]:
    """The fake in a thread of its own, for tests whose other parts are not in this event loop."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()
    try:
        asyncio.run_coroutine_threadsafe(upstream.start(), loop).result(timeout=30)
        yield upstream
        asyncio.run_coroutine_threadsafe(upstream.stop(), loop).result(timeout=30)
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join(timeout=30)
        loop.close()


async def _serve(upstream: FakeUpstream, port: int) -> None:
    await upstream.start(port)
    print(upstream.url, flush=True)  # noqa: T201 (whoever started it reads it)
    await asyncio.Event().wait()


def main() -> None:
    parser = argparse.ArgumentParser(description="OpenAI, Anthropic and Gemini, faked on loopback")
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--piece-s", type=float, default=0.0, help="before each piece of an answer")
    parser.add_argument("--slow-s", type=float, default=3600.0, help="what slow models wait")
    parser.add_argument("--retry-after-s", type=float, default=1.0)
    given = parser.parse_args()
    delays = Delays(slow_s=given.slow_s, piece_s=given.piece_s, retry_after_s=given.retry_after_s)
    try:
        asyncio.run(_serve(FakeUpstream(delays=delays, seed=given.seed), given.port))
    except KeyboardInterrupt:
        return


if __name__ == "__main__":
    main()
