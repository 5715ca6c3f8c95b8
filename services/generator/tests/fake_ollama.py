"""A stand-in for an Ollama server, held to recordings of real ones (``ollama_recordings.json``).

Models choose their trouble by their name, as in ``cut-stream``.
"""

import asyncio
import json
import socket
import threading
import time
from collections import Counter
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import uvicorn
from fake_ollama_model import NOW, FakeModel, answer, prompt_tokens
from fake_ollama_troubles import JSON, error_response, trouble_before, troubled
from simulated_cards import GIB, Exhausted, SimulatedCards
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response, StreamingResponse
from starlette.routing import Route

NDJSON = "application/x-ndjson"
OUT_OF_MEMORY = "llama runner process has terminated: cudaMalloc failed: out of memory"
BUSY = "server busy, please try again.  maximum pending requests exceeded"


@dataclass
class FakeOllama:
    """``truncates`` makes it an older server, which cuts a long prompt without a word.

    ``chats`` and ``embeds`` hold the bodies it got, ``loads`` the contexts that models were loaded with, in
    this order. ``cards`` is memory that may run out; so many ``stale_listings`` of what is loaded wait for
    the ``gate``. Models whose name begins with ``held`` wait for the ``gate`` in their answer.
    """

    models: dict[str, FakeModel] = field(default_factory=dict)
    truncates: bool = False
    queue_full: bool = False
    away: bool = False
    stale_listings: int = 0
    exhausted: int = 0
    url: str = ""
    cards: SimulatedCards | None = None
    loading_s: float = 0.0
    leaving_s: float = 0.0
    before_chat_s: float = 0.0
    chats: list[dict[str, Any]] = field(default_factory=list)
    embeds: list[dict[str, Any]] = field(default_factory=list)
    shows: int = 0
    loads: list[tuple[str, int]] = field(default_factory=list)
    loaded: dict[str, int] = field(default_factory=dict)
    unloads: list[str] = field(default_factory=list)
    unloaded_in_use: list[str] = field(default_factory=list)
    loaded_by_itself: list[str] = field(default_factory=list)
    leaving: set[str] = field(default_factory=set)
    active: Counter[str] = field(default_factory=Counter)
    scheduler: asyncio.Lock = field(default_factory=asyncio.Lock)
    gate: threading.Event = field(default_factory=threading.Event)
    disconnected: threading.Event = field(default_factory=threading.Event)

    def add(self, *models: FakeModel | str) -> "FakeOllama":
        for given in models:
            model = FakeModel(given) if isinstance(given, str) else given
            model.name = model.name if ":" in model.name else f"{model.name}:latest"
            self.models[model.name] = model
        return self

    def find(self, name: str) -> FakeModel | None:
        return self.models.get(name if ":" in name else f"{name}:latest")

    def app(self) -> Starlette:
        routes = [
            Route("/api/version", self._version),
            Route("/api/tags", self._tags),
            Route("/api/ps", self._ps),
            Route("/api/show", self._show, methods=["POST"]),
            Route("/api/chat", self._chat, methods=["POST"]),
            Route("/api/generate", self._generate, methods=["POST"]),
            Route("/api/embed", self._embed, methods=["POST"]),
        ]
        return Starlette(routes=routes, exception_handlers={HTTPException: _unknown_path})

    async def _version(self, request: Request) -> Response:
        return _json({"version": "0.0.0"})

    async def _tags(self, request: Request) -> Response:
        if self.away:
            return error_response(502, "bad gateway")
        return _json({"models": [model.listed() for model in self.models.values()]})

    async def _ps(self, request: Request) -> Response:
        entries = []
        for name, context in self.loaded.items():
            listed = self.models[name].listed()
            del listed["modified_at"]
            vram = self.cards.taken_by((self.url, name)) if self.cards else 0
            size = {"size": vram} if vram else {}
            entries.append(
                {**listed, **size, "expires_at": NOW, "size_vram": vram, "context_length": context}
            )
        if self.stale_listings:
            self.stale_listings -= 1
            while not self.gate.is_set():
                await asyncio.sleep(0.002)
        return _json({"models": entries})

    async def _show(self, request: Request) -> Response:
        self.shows += 1
        name = (await request.json())["model"]
        model = self.find(name)
        return _json(model.shown()) if model else error_response(404, f"model '{name}' not found")

    async def _generate(self, request: Request) -> Response:
        """Only what loads and unloads."""
        body = await request.json()
        model = self.find(body["model"])
        if model is None:
            return error_response(404, f"model '{body['model']}' not found")
        said = {"model": body["model"], "created_at": NOW, "response": "", "done": True}
        if body.get("keep_alive") == 0:
            if self.active[model.name]:
                self.unloaded_in_use.append(model.name)
            self._leave(model.name)
            return _json({**said, "done_reason": "unload"})
        if "embedding" in model.capabilities:
            return error_response(400, f'"{body["model"]}" does not support generate')
        if refusal := trouble_before(model.name, request) or await self._load(model, body.get("options", {})):
            return refusal
        return _json({**said, "done_reason": "load"})

    async def _embed(self, request: Request) -> Response:
        body = await request.json()
        model = self.find(body["model"])
        if model is None:
            return error_response(404, f"model '{body['model']}' not found")
        self.embeds.append(body)
        texts = [body["input"]] if isinstance(body["input"], str) else body["input"]
        if refusal := await self._load(model, body.get("options", {})):
            return refusal
        if body.get("truncate") is False and any(len(text) > self.loaded[model.name] for text in texts):
            return error_response(400, "the input length exceeds the context length")
        if model.name.startswith("garbage"):
            texts = [*texts, "one more"]
        vectors = [[float(len(text)), 0.5, -0.25] for text in texts]
        counts = {"total_duration": 1, "load_duration": 1, "prompt_eval_count": 1}
        return _json({"model": body["model"], "embeddings": vectors, **counts})

    async def _chat(self, request: Request) -> Response:
        try:
            body = await request.json()
        except ValueError:
            return error_response(400, "unexpected EOF")
        self.chats.append(body)
        await asyncio.sleep(self.before_chat_s)
        model = self.find(body["model"])
        if model is None:
            return error_response(404, f"model '{body['model']}' not found")
        if self.queue_full:
            return error_response(503, BUSY)
        if refusal := trouble_before(model.name, request):
            return refusal
        if self.cards and (model.name not in self.loaded or model.name in self.leaving):
            self.loaded_by_itself.append(model.name)
        if refusal := await self._load(model, body.get("options", {})):
            return refusal
        context = self.loaded[model.name]
        prompt_count = prompt_tokens(model, body)
        if prompt_count > context and not self.truncates and body.get("truncate") is False:
            return error_response(400, "the input length exceeds the context length")
        lines = answer(model, body, min(prompt_count, context), fits=prompt_count <= context)
        if body.get("stream") is False:
            return _whole(list(lines))
        return StreamingResponse(self._stream(model, request, lines), media_type=NDJSON)

    async def _load(self, model: FakeModel, options: Mapping[str, Any]) -> Response | None:
        """The error, if it cannot. One model at a time, as the real scheduler does."""
        context: int = min(options.get("num_ctx", 4096), model.context_length)
        async with self.scheduler:
            while model.name in self.leaving or (
                self.active[model.name] and self.loaded.get(model.name) != context
            ):
                await asyncio.sleep(0.002)
            if self.loaded.get(model.name) == context:
                return None
            self._forget(model.name)
            await asyncio.sleep(self.loading_s)
            self.loads.append((model.name, context))
            if self.cards:
                try:
                    self.cards.take((self.url, model.name), model.memory_bytes(context), GIB * 4 // 10)
                except Exhausted:
                    self.exhausted += 1
                    return error_response(500, OUT_OF_MEMORY)
            self.loaded[model.name] = context
        return None

    def _leave(self, name: str) -> None:
        """First from the list, then from the card, neither at once."""
        if name in self.loaded and name not in self.leaving:
            self.leaving.add(name)
            self.unloads.append(name)
            asyncio.get_running_loop().call_later(self.leaving_s, self._unlist, name)

    def _unlist(self, name: str) -> None:
        self.loaded.pop(name, None)
        asyncio.get_running_loop().call_later(self.leaving_s, self._forget, name)

    def _forget(self, name: str) -> None:
        self.loaded.pop(name, None)
        self.leaving.discard(name)
        if self.cards:
            self.cards.give_back((self.url, name))

    def expire(self, name: str) -> None:
        """Its time to be kept is over."""
        self._forget(name)

    async def _stream(
        self, model: FakeModel, request: Request, lines: Iterator[dict[str, Any]]
    ) -> AsyncIterator[bytes]:
        trouble = model.name.partition(":")[0]
        self.active[model.name] += 1
        try:
            if trouble == "slow-first-token":
                await asyncio.sleep(3600)
            for i, line in enumerate(lines):
                while trouble.startswith("held") and i == 2 and not self.gate.is_set():
                    await asyncio.sleep(0.002)
                async for piece in troubled(trouble, i, line):
                    yield piece
        except (asyncio.CancelledError, GeneratorExit):
            self.disconnected.set()
            raise
        finally:
            self.active[model.name] -= 1


def _whole(lines: list[dict[str, Any]]) -> Response:
    if "error" in lines[-1]:
        return error_response(500, lines[-1]["error"])
    text = "".join(line["message"]["content"] for line in lines)
    return _json({**lines[-1], "message": {"role": "assistant", "content": text}})


def _json(body: object, status: int = 200) -> Response:
    return Response(json.dumps(body), status, media_type=JSON)


async def _unknown_path(request: Request, error: Exception) -> Response:
    return PlainTextResponse("404 page not found", 404, headers={"content-type": "text/plain"})


@contextmanager
def serving(fake: FakeOllama) -> Iterator[FakeOllama]:
    """The fake on a port of loopback, in a thread of its own."""
    listener = socket.create_server(("127.0.0.1", 0))
    fake.url = f"http://127.0.0.1:{listener.getsockname()[1]}"
    server = uvicorn.Server(uvicorn.Config(fake.app(), log_level="critical", lifespan="off"))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, daemon=True)
    thread.start()
    while not server.started and thread.is_alive():
        time.sleep(0.001)  # it accepts from the start; only its ending needs it to have begun
    yield fake
    server.should_exit = server.force_exit = True
    thread.join(timeout=60)
    assert not thread.is_alive()
