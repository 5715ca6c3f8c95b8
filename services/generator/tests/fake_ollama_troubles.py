"""The troubles that models of the stand-in for Ollama have, by their names."""

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

from starlette.requests import Request
from starlette.responses import HTMLResponse, PlainTextResponse, RedirectResponse, Response

JSON = "application/json; charset=utf-8"


class Cut(Exception):
    """The connection ends here, in the middle of a chunk."""


def error_response(status: int, message: str) -> Response:
    return Response(json.dumps({"error": message}), status, media_type=JSON)


async def troubled(trouble: str, i: int, line: dict[str, Any]) -> AsyncIterator[bytes]:
    encoded = json.dumps(line).encode() + b"\n"
    if i == 2:
        match trouble:
            case "cut-stream":
                yield encoded[:10]
                raise Cut
            case "error-in-stream":
                yield b'{"error":"an error was encountered while running the model: unexpected EOF"}\n'
            case "oom-in-stream":
                yield b'{"error":"CUDA error: out of memory"}\n'
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


def trouble_before(name: str, request: Request) -> Response | None:
    match name.partition(":")[0]:
        case "redirect":
            return RedirectResponse(f"{request.base_url}api/version", 307)
        case "portal":
            return HTMLResponse("<html>Please sign in</html>")
        case "embedder":
            return error_response(400, f'"{name}" does not support chat')
        case "broken":
            return error_response(500, "llama runner process has terminated: error loading model: bad tensor")
        case "crash":
            return error_response(500, "llama runner process has terminated: exit status 2")
        case "too-big":
            return error_response(
                500, "model requires more system memory (56.7 GiB) than is available (3.2 GiB)"
            )
        case "vanished":
            return error_response(404, 'model "vanished" not found, try pulling it first')
        case "teapot":
            return PlainTextResponse("short and stout", 418)
    return None
