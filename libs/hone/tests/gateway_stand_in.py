"""A gateway over real HTTP that says what a test tells it to, well-behaved or hostile."""

from __future__ import annotations

import asyncio
import json
import socket
import threading
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from typing import Any

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route

KEY = "hone_test-key"
Answer = Callable[[Request], Response]

ARTIFACT = {
    "artifact_id": "a-1",
    "job_id": "j-1",
    "type": "mermaid_erd",
    "content": "erDiagram\n    MEMBER ||--o{ LOAN : has\n",
    "ir": {"entities": []},
    "score": 72.5,
    "accepted": False,
    "model": "llamacpp:hone-starter",
    "attempts": 1,
    "validators": [
        {"name": "syntax", "score": 100, "passed": True, "messages": []},
        {
            "name": "coverage",
            "score": 40,
            "passed": False,
            "messages": ["`fine` is nowhere", "2 of 5 missing"],
        },
    ],
    "evidence": [{"element": "entity:Member", "text": "Each member has loans."}],
    "timings_ms": {"model": 30},
    "advice": "A larger model will do better: `ollama pull qwen2.5-coder:7b`",
}


def job(state: str = "running", **more: Any) -> dict[str, Any]:
    plain = {"id": "j-1", "kind": "generate", "attempt": 1, "progress": None, "result": None, "error": None}
    times = {"created_at": "2026-01-01T00:00:00Z", "updated_at": "2026-01-01T00:00:01Z", "finished_at": None}
    return {**plain, "state": state, **times, **more}


DONE = job("succeeded", result={"artifact_id": "a-1"})


def problem(status: int, title: str, detail: str = "") -> Response:
    body = {"type": "about:blank", "title": title, "status": status, "detail": detail}
    return JSONResponse(body, status, media_type="application/problem+json")


def sse(name: str, data: Any, number: int | None = None) -> bytes:
    head = "" if number is None else f"id: {number}\n"
    return f"{head}event: {name}\ndata: {json.dumps(data)}\n\n".encode()


@dataclass
class Gateway:
    """`answers` replaces what a path answers; `streams` holds one list of pieces for each connection to come.

    A piece that is an exception breaks the connection; an event waits until it is set.
    """

    answers: dict[str, Answer] = field(default_factory=dict)
    streams: list[list[Any]] = field(default_factory=list)
    asked: list[tuple[str, str, dict[str, str], bytes]] = field(default_factory=list)
    port: int = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def forget(self) -> None:
        """As new, on the same port."""
        self.answers.clear()
        self.streams = []
        self.asked.clear()

    def headers(self, path: str) -> list[dict[str, str]]:
        return [headers for _, asked, headers, _ in self.asked if asked == path]

    def body(self, path: str) -> Any:
        return next(json.loads(body) for _, asked, _, body in self.asked if asked == path and body)

    async def answer(self, request: Request) -> Response:
        path = request.scope["path"]
        self.asked.append((request.method, path, dict(request.headers), await request.body()))
        if path in self.answers:
            return self.answers[path](request)
        if request.headers.get("authorization") != f"Bearer {KEY}":
            return problem(401, "Unauthorised", "the key is wrong")
        if path.endswith("/events"):
            return StreamingResponse(_pieces(self.streams.pop(0)), media_type="text/event-stream")
        known = {
            "/api/artifacts": ({"job_id": "j-1", "status_url": "/api/jobs/j-1"}, 202),
            "/api/artifacts/a-1": (ARTIFACT, 200),
            "/api/jobs": ({"jobs": [job(), DONE]}, 200),
            "/api/jobs/j-1": (DONE, 200),
            "/api/jobs/j-1/cancel": (job("cancelled"), 200),
            "/api/hub/convert": (job("queued"), 202),
            "/api/hub/inspect-file": (_REPORT, 200),
            "/api/train": ({"job_id": "j-1", "status_url": "/api/jobs/j-1"}, 202),
            "/api/models": ({"models": [_MODEL]}, 200),
            "/api/models/hone-starter": (_MODEL, 200),
            "/api/models/hone-starter/evaluations": ({"evaluations": [EVALUATION]}, 200),
            "/api/artifacts/a-1/feedback": (
                ({"feedback": [FEEDBACK]}, 200) if request.method == "GET" else (FEEDBACK, 201)
            ),
            "/api/routes": ({"routes": {"mermaid_erd": ROUTE}, "set_by": {"mermaid_erd": "user"}}, 200),
            "/api/keys": ({"keys": [_KEY]} if request.method == "GET" else _KEY | {"key": "hone_new"}, 200),
            "/api/keys/ci": ({"keys": [_KEY]}, 200),
            "/api/dead": ({"dead": [_LETTER]}, 200),
            "/api/dead/7/retry": ({"job_id": "j-2", "status_url": "/api/jobs/j-2"}, 202),
            "/api/status": (
                {"version": "1", "services": [{"name": "hub", "ready": True, "detail": ""}]},
                200,
            ),
        }
        if path not in known:
            return problem(404, "Not found", f"there is nothing at {path}")
        document, status = known[path]
        return JSONResponse(document, status)


_MODEL = {
    "name": "hone-starter",
    "versions": [{"version": 1, "uri": "file:///x.gguf", "aliases": ["champion"], "size_bytes": 2_800_000}],
}
EVALUATION = {
    "model": "hone-starter",
    "artifact_type": "mermaid_erd",
    "champion": 1,
    "challenger": 2,
    "run_id": "job_1",
    "verdict": "rejected",
    "reasons": ["worse than the champion beyond doubt", "quality 0.41 after 0.60"],
    "figures": {"pairs": 20, "quality": {"value": -0.19, "low": -0.3, "high": -0.1}},
    "created_at": "2026-01-01T00:00:00Z",
}
FEEDBACK: dict[str, Any] = {
    "id": "fb_1",
    "artifact_id": "a-1",
    "user": "ci",
    "thumb": "up",
    "score": None,
    "comment": None,
    "correction": None,
    "reward": 0.895,
    "learned": True,
    "not_learned": None,
    "supersedes": None,
    "superseded_by": None,
    "created_at": "2026-01-01T00:00:00.5+00:00",
}
_REPORT: dict[str, Any] = {
    "architecture": "llama",
    "name": None,
    "file_bytes": 3_500_000,
    "tokenizer": {"special": {"eos": 3}},
    "problems": [],
    "ok": True,
}
ROUTE = {
    "artifact_type": "mermaid_erd",
    "model": "llamacpp:hone-starter",
    "version": 1,
    "reading": "passages",
    "threshold": 60,
    "temperature": 0.0,
    "fallbacks": [{"model": "ollama:a"}, {"model": "ollama:b"}],
    "limits": {"connect_s": 5.0, "first_token_s": 60.0, "total_s": 120.0},
    "budget": {"deadline_s": 600.0, "max_tokens": None, "max_cost_usd": None},
    "cloud": True,
    "cloud_models": ["gemini:x"],
    "enabled": True,
}
_KEY = {"name": "ci", "begins": "hone_abc…", "created_at": "2026-01-01T00:00:00.5+00:00", "revoked_at": None}
_LETTER = {
    "id": 7,
    "subject": "hone.command.x",
    "reason": {"code": "internal", "title": "Given up", "detail": "five deliveries", "status": 500},
    "job_id": "j-1",
    "tenant": "default",
    "body": "{}",
}


async def _pieces(pieces: list[Any]) -> AsyncIterator[bytes]:
    for piece in pieces:
        if isinstance(piece, Exception):
            raise piece
        if isinstance(piece, threading.Event):
            while not piece.is_set():
                await asyncio.sleep(0.01)
        else:
            yield piece


class Running:
    """The gateway on a free port, in a thread."""

    def __init__(self, gateway: Gateway) -> None:
        app = Starlette(
            routes=[Route("/{rest:path}", gateway.answer, methods=["GET", "POST", "PUT", "DELETE"])]
        )
        config = uvicorn.Config(app, log_level="critical", lifespan="off", timeout_graceful_shutdown=0)
        self._server = uvicorn.Server(config)
        sock = socket.create_server(("127.0.0.1", 0))
        gateway.port = sock.getsockname()[1]
        self._thread = threading.Thread(target=self._server.run, kwargs={"sockets": [sock]}, daemon=True)

    def __enter__(self) -> None:
        self._thread.start()

    def __exit__(self, *_: object) -> None:
        self._server.should_exit = True
        self._server.force_exit = True
        self._thread.join(5)
