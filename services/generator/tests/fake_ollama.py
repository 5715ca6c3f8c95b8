"""A stand-in for an Ollama server, held to recordings of real ones (``ollama_recordings.json``).

Models choose their trouble by their name, as in ``cut-stream``.
"""

import asyncio
import json
import socket
import threading
import time
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import uvicorn
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import HTMLResponse, PlainTextResponse, RedirectResponse, Response, StreamingResponse
from starlette.routing import Route

JSON = "application/json; charset=utf-8"
NDJSON = "application/x-ndjson"
NOW = "2026-11-21T09:35:29.279591766Z"
BUSY = "server busy, please try again.  maximum pending requests exceeded"


@dataclass
class FakeModel:
    """What ``/api/show`` and the lists tell of a model. ``answer`` is streamed word by word.

    With a vocabulary of no more than bytes, as the tests' real model has, every byte of a prompt is a token.
    """

    name: str
    answer: str = "a member has many loans and a loan is of one book and so on"
    context_length: int = 30_000
    vocabulary: int = 261
    capabilities: tuple[str, ...] = ("completion",)
    family: str = "llama"
    system: str = ""
    messages: tuple[dict[str, str], ...] = ()
    parameters: str = ""
    remote_host: str = ""
    digest: str = "0" * 64

    @property
    def details(self) -> dict[str, Any]:
        return {
            "parent_model": "", "format": "gguf", "family": self.family, "families": [self.family],
            "parameter_size": "1.36M", "quantization_level": "F16",
        }  # fmt: skip

    def listed(self) -> dict[str, Any]:
        remote = {"remote_model": self.name, "remote_host": self.remote_host} if self.remote_host else {}
        common = {"name": self.name, "model": self.name, "modified_at": NOW, "size": 2_733_120}
        return {**common, **remote, "digest": self.digest, "details": self.details}

    def shown(self) -> dict[str, Any]:
        optional = {"parameters": self.parameters, "system": self.system, "messages": list(self.messages)}
        return {
            "modelfile": "FROM x", "template": "{{ .Prompt }}", "details": self.details,
            "model_info": {
                "general.architecture": "llama", "llama.context_length": self.context_length,
                "llama.vocab_size": self.vocabulary,
            },
            "tensors": [], "capabilities": list(self.capabilities), "modified_at": NOW,
            **{key: value for key, value in optional.items() if value},
        }  # fmt: skip


class Cut(Exception):
    """The connection ends here, in the middle of a chunk."""


@dataclass
class FakeOllama:
    """``truncates`` makes it an older server, which cuts a long prompt without a word.

    ``chats`` holds the bodies it got, ``loads`` the contexts that models were loaded with, in this order.
    """

    models: dict[str, FakeModel] = field(default_factory=dict)
    truncates: bool = False
    queue_full: bool = False
    url: str = ""
    chats: list[dict[str, Any]] = field(default_factory=list)
    shows: int = 0
    loads: list[tuple[str, int]] = field(default_factory=list)
    loaded: dict[str, int] = field(default_factory=dict)
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
        ]
        return Starlette(routes=routes, exception_handlers={HTTPException: _unknown_path})

    async def _version(self, request: Request) -> Response:
        return _json({"version": "0.0.0"})

    async def _tags(self, request: Request) -> Response:
        return _json({"models": [model.listed() for model in self.models.values()]})

    async def _ps(self, request: Request) -> Response:
        entries = []
        for name, context in self.loaded.items():
            listed = self.models[name].listed()
            del listed["modified_at"]
            entries.append({**listed, "expires_at": NOW, "size_vram": 0, "context_length": context})
        return _json({"models": entries})

    async def _show(self, request: Request) -> Response:
        self.shows += 1
        name = (await request.json())["model"]
        model = self.find(name)
        return _json(model.shown()) if model else _error(404, f"model '{name}' not found")

    async def _chat(self, request: Request) -> Response:
        try:
            body = await request.json()
        except ValueError:
            return _error(400, "unexpected EOF")
        self.chats.append(body)
        model = self.find(body["model"])
        if model is None:
            return _error(404, f"model '{body['model']}' not found")
        if self.queue_full:
            return _error(503, BUSY)
        if refusal := _trouble_before(model, request):
            return refusal
        context = self._load(model, body.get("options", {}))
        prompt_tokens = _prompt_tokens(model, body)
        if prompt_tokens > context and not self.truncates and body.get("truncate") is False:
            return _error(400, "the input length exceeds the context length")
        lines = _answer(model, body, min(prompt_tokens, context), fits=prompt_tokens <= context)
        if body.get("stream") is False:
            return _whole(list(lines))
        return StreamingResponse(self._stream(model, request, lines), media_type=NDJSON)

    def _load(self, model: FakeModel, options: Mapping[str, Any]) -> int:
        context: int = min(options.get("num_ctx", 4096), model.context_length)
        if self.loaded.get(model.name) != context:
            self.loaded[model.name] = context
            self.loads.append((model.name, context))
        return context

    async def _stream(
        self, model: FakeModel, request: Request, lines: Iterator[dict[str, Any]]
    ) -> AsyncIterator[bytes]:
        trouble = model.name.partition(":")[0]
        try:
            if trouble == "slow-first-token":
                await asyncio.sleep(3600)
            for i, line in enumerate(lines):
                async for piece in _troubled(trouble, i, line):
                    yield piece
        except (asyncio.CancelledError, GeneratorExit):
            self.disconnected.set()
            raise


async def _troubled(trouble: str, i: int, line: dict[str, Any]) -> AsyncIterator[bytes]:
    encoded = json.dumps(line).encode() + b"\n"
    if i == 2:
        match trouble:
            case "cut-stream":
                yield encoded[:10]
                raise Cut
            case "error-in-stream":
                yield b'{"error":"an error was encountered while running the model: unexpected EOF"}\n'
            case "garbage":
                yield b"<html>not JSON</html>\n"
            case "deep":
                yield b"[" * 60_000 + b"\n"
            case "not-a-message":
                yield b'{"message":{"role":"assistant","content":17},"done":false}\n'
            case "huge":
                for _ in range(64):
                    yield b" " * 100_000
            case "stall":
                await asyncio.sleep(3600)
            case "endless":
                while True:
                    yield encoded
                    await asyncio.sleep(0)
    if not (trouble == "early-end" and line["done"]):
        yield encoded


def _trouble_before(model: FakeModel, request: Request) -> Response | None:
    match model.name.partition(":")[0]:
        case "redirect":
            return RedirectResponse(f"{request.base_url}api/version", 307)
        case "portal":
            return HTMLResponse("<html>Please sign in</html>")
        case "embedder":
            return _error(400, f'"{model.name}" does not support chat')
        case "broken":
            return _error(500, "llama runner process has terminated: error loading model: bad tensor")
        case "too-big":
            return _error(500, "model requires more system memory (56.7 GiB) than is available (3.2 GiB)")
        case "vanished":
            return _error(404, 'model "vanished" not found, try pulling it first')
        case "teapot":
            return PlainTextResponse("short and stout", 418)
    return None


def _prompt_tokens(model: FakeModel, body: Mapping[str, Any]) -> int:
    messages = [*model.messages, *body["messages"]]
    if messages and messages[0]["role"] != "system":
        messages.insert(0, {"content": model.system})
    bytes_per_token = 1 if model.vocabulary <= 261 else 3
    return sum(
        len(message["content"].encode(errors="replace")) // bytes_per_token + 5 for message in messages
    )


def _answer(
    model: FakeModel, body: Mapping[str, Any], prompt_tokens: int, *, fits: bool
) -> Iterator[dict[str, Any]]:
    options = body.get("options", {})
    words = [f" {word}" for word in model.answer.split()]
    if (wanted := body.get("format")) is not None:
        if refusal := _refused_format(wanted):
            yield {"error": refusal}
            return
        words = [json.dumps(_instance(wanted))]
    limit = options.get("num_predict", 1000) if fits else 0
    text, sent = "".join(words), 0
    stops = [at for stop in options.get("stop", ()) if (at := text.find(stop)) >= 0]
    text = text[: min(stops)] if stops else text
    for word in words[:limit]:
        if piece := text[sent : sent + len(word)]:
            yield _line(model, piece)
        sent += len(word)
    yield {
        **_line(model, ""), "done": True, "done_reason": "length" if limit < len(words) and not stops else "stop",
        "total_duration": 58_065_602, "load_duration": 1_522_671,
        "prompt_eval_count": prompt_tokens, "prompt_eval_duration": 41_732_582,
        "eval_count": min(limit, len(words)), "eval_duration": 11_946_264,
    }  # fmt: skip


def _line(model: FakeModel, text: str) -> dict[str, Any]:
    message = {"role": "assistant", "content": text}
    return {"model": model.name.removesuffix(":latest"), "created_at": NOW, "message": message, "done": False}


def _refused_format(wanted: object) -> str | None:
    if not isinstance(wanted, dict):
        return f'invalid format: {json.dumps(wanted)}; expected "json" or a valid JSON Schema object'
    known = {"object", "array", "string", "integer", "number", "boolean", "null"}
    return None if wanted.get("type", "object") in known else "invalid JSON schema in format"


def _instance(schema: Mapping[str, Any]) -> object:
    """The least document of the schema."""
    match schema.get("type"):
        case "object":
            return {key: _instance(schema["properties"][key]) for key in schema.get("required", ())}
        case "array":
            return []
        case "string":
            return schema.get("enum", [""])[0]
        case "integer" | "number":
            return 0
        case "boolean":
            return True
    return None


def _whole(lines: list[dict[str, Any]]) -> Response:
    if "error" in lines[-1]:
        return _error(500, lines[-1]["error"])
    text = "".join(line["message"]["content"] for line in lines)
    return _json({**lines[-1], "message": {"role": "assistant", "content": text}})


def _json(body: object, status: int = 200) -> Response:
    return Response(json.dumps(body), status, media_type=JSON)


def _error(status: int, message: str) -> Response:
    return _json({"error": message}, status)


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
