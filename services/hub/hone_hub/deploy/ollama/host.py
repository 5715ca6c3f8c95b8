"""One Ollama server, as a deployment needs it. What it sends is bounded, and all waiting has a limit."""

import asyncio
import json
from collections.abc import AsyncGenerator, AsyncIterator, Iterator
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import httpx

from hone_hub.deploy.ollama.errors import (
    OllamaNotRunning,
    OllamaRefused,
    OllamaTookTooLong,
    OllamaTooOld,
    meaning,
)
from hone_hub.work import Step
from hone_hub.worker_process import OnStep

Document = dict[str, Any]

# ``create`` takes ``from`` and ``files`` from then on.
_OLDEST = (0, 5, 5)
_CONNECT_S = 3.0
_SHORT_S = 30.0
_SLOWEST_BYTES_PER_S = 1e6
_PIECE_BYTES = 4 << 20
_MOST_BYTES = 64 << 20  # /api/show lists every tensor, and the lines of a long creation are many
_MOST_LINE_BYTES = 1 << 20
_MOST_LAYERS = 1000
_BESIDE_OLLAMA = ("127.0.0.1:", "localhost:")  # a registry on the server's own machine has no certificate


@dataclass(frozen=True)
class Listed:
    """Equal digests are equal weights, templates, parameters."""

    digest: str
    size_bytes: int


class OllamaHost:
    """``limit_s``: for what loads or answers. Errors are OllamaErrors, and those of networks OllamaNotRunning."""

    def __init__(self, url: str, limit_s: float) -> None:
        self.url = url
        self._limit_s = limit_s
        self._client = httpx.AsyncClient(
            base_url=url,
            timeout=httpx.Timeout(None, connect=_CONNECT_S),  # whole answers have limits
            headers={"Accept-Encoding": "identity"},
            follow_redirects=False,
            trust_env=False,  # examples do not go through a proxy that was meant for browsing
        )

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._client.aclose()

    async def check_version(self) -> str:
        """Raises OllamaTooOld, OllamaNotRunning."""
        told = await self._document("GET", "/api/version", None, "tell its version", _SHORT_S)
        version = str(told.get("version", ""))
        numbers = [int(part) for part in version.partition("-")[0].split(".") if part.isdecimal()]
        # One that was built from source calls itself 0.0.0.
        if any(numbers) and tuple(numbers[:3]) < _OLDEST:
            raise OllamaTooOld(self.url, version[:20], ".".join(map(str, _OLDEST)))
        return version[:50]

    async def show(self, name: str) -> Document | None:
        """None where there is no such model."""
        async with self._asked("POST", "/api/show", {"model": name}, "show a model", _SHORT_S) as response:
            if response.status_code == 404:
                return None
            return await self._read(response)

    async def models(self) -> dict[str, Listed]:
        """By their names, with tags."""
        told = await self._document("GET", "/api/tags", None, "list its models", _SHORT_S)
        models, found = told.get("models"), {}
        for each in models if isinstance(models, list) else ():
            if isinstance(each, dict) and isinstance(size := each.get("size"), int):
                found[str(each.get("name"))] = Listed(str(each.get("digest")), size)
        return found

    async def copy(self, name: str, to: str) -> None:
        """A second name for the same, in the place of whatever has it."""
        body = {"source": name, "destination": to}
        async with self._asked("POST", "/api/copy", body, "name a model", _SHORT_S) as response:
            if response.status_code != 200:
                await self._read(response)

    async def unload(self, name: str) -> None:
        """Give its memory back, and that of all models of the same file."""
        body = {"model": name, "keep_alive": 0}
        async with self._asked("POST", "/api/generate", body, "unload a model", _SHORT_S):
            pass  # a model that is not there, or cannot be loaded, takes no memory

    async def delete(self, name: str) -> None:
        """Whether it is there or not."""
        async with self._asked(
            "DELETE", "/api/delete", {"model": name}, "delete a model", _SHORT_S
        ) as response:
            if response.status_code not in (200, 404):
                await self._read(response)

    async def upload(self, path: Path, digest: str, size_bytes: int, tell: OnStep) -> None:
        """The file under its digest, unless it is there."""
        await self.upload_pieces(path.name, _read(path), digest, size_bytes, tell)

    async def upload_pieces(
        self, name: str, pieces: Iterator[bytes], digest: str, size_bytes: int, tell: OnStep
    ) -> None:
        """As ``upload``, of what ``pieces`` are together; they are read in other threads."""
        there = await self._has(digest)
        if not there:
            content = _told(name, pieces, size_bytes, tell)
            request = self._client.build_request(
                "POST", f"/api/blobs/{digest}", content=content, headers={"Content-Length": str(size_bytes)}
            )
            limit_s = self._limit_s + size_bytes / _SLOWEST_BYTES_PER_S
            async with self._sent(request, "take a file", limit_s) as response:
                if response.status_code not in (200, 201):
                    await self._read(response)
        await tell(Step(stage="upload", message=self.url, done=size_bytes, total=size_bytes))

    async def create(self, body: Document, tell: OnStep, size_bytes: int = 0) -> None:
        """Raises OllamaError also for an error among the lines: some versions go on, and call it success.

        Some write the file anew, or convert it: ``size_bytes`` of it lengthen the limit."""
        last: Document = {}
        limit_s = self._limit_s + size_bytes / _SLOWEST_BYTES_PER_S
        async with self._asked("POST", "/api/create", body, "create a model", limit_s) as response:
            if response.status_code != 200:
                await self._read(response)
            async with aclosing(self._lines(response)) as lines:
                async for line in lines:
                    if "error" in line:
                        raise meaning(self.url, str(line["error"]))
                    last = line
                    await tell(_step(self.url, line))
        if last.get("status") != "success":
            raise OllamaNotRunning(self.url, "it broke off while it created a model")

    async def pull(self, name: str, tell: OnStep) -> None:
        """From the library, or what the name says. Goes on where an earlier pull broke off; waits while bytes come.

        Raises OllamaError."""
        layers: dict[str, tuple[int, int]] = {}
        last: Document = {}
        body = {"model": name, "insecure": name.startswith(_BESIDE_OLLAMA)}
        async with self._asked("POST", "/api/pull", body, "pull a model", None) as response:
            if response.status_code != 200:
                await self._read(response)
            async with aclosing(self._lines(response)) as lines:
                async for line in _each_within(lines, self._limit_s, self.url):
                    if "error" in line:
                        raise meaning(self.url, str(line["error"]))
                    last = line
                    await tell(_pull_step(self.url, line, layers))
        if last.get("status") != "success":
            raise OllamaNotRunning(self.url, "it broke off while it pulled a model")

    async def chat(self, body: Document) -> Document:
        return await self._document("POST", "/api/chat", {**body, "stream": False}, "answer", self._limit_s)

    async def generate(self, body: Document) -> Document:
        return await self._document(
            "POST", "/api/generate", {**body, "stream": False}, "answer", self._limit_s
        )

    async def _has(self, digest: str) -> bool:
        async with self._asked("HEAD", f"/api/blobs/{digest}", None, "look for a file", _SHORT_S) as response:
            return response.status_code == 200

    async def _document(
        self, method: str, path: str, body: Document | None, what: str, limit_s: float
    ) -> Document:
        async with self._asked(method, path, body, what, limit_s) as response:
            return await self._read(response)

    @asynccontextmanager
    async def _asked(
        self, method: str, path: str, body: Document | None, what: str, limit_s: float | None
    ) -> AsyncIterator[httpx.Response]:
        request = self._client.build_request(method, path, json=body)
        async with self._sent(request, what, limit_s) as response:
            yield response

    @asynccontextmanager
    async def _sent(
        self, request: httpx.Request, what: str, limit_s: float | None
    ) -> AsyncIterator[httpx.Response]:
        try:
            async with asyncio.timeout(limit_s):
                response = await self._client.send(request, stream=True)
                try:
                    yield response
                finally:
                    await response.aclose()
        except TimeoutError as error:
            raise OllamaTookTooLong(self.url, what, limit_s or 0) from error
        except httpx.HTTPError as error:
            raise OllamaNotRunning(self.url, str(error) or type(error).__name__) from error

    async def _read(self, response: httpx.Response) -> Document:
        """A whole document. Raises OllamaError for one that tells of an error, or is none."""
        content = bytearray()
        async for piece in response.aiter_raw():
            content += piece
            if len(content) > _MOST_BYTES:
                raise OllamaRefused(self.url, "it sends far more than it was asked for")
        document = self._parsed(bytes(content), response)
        if response.status_code != 200 or "error" in document:
            raise meaning(self.url, str(document.get("error", f"status {response.status_code}")))
        return document

    async def _lines(self, response: httpx.Response) -> AsyncGenerator[Document, None]:
        rest, read_bytes = b"", 0
        async for piece in response.aiter_raw():
            read_bytes += len(piece)
            *lines, rest = (rest + piece).split(b"\n")
            if read_bytes > _MOST_BYTES or len(rest) > _MOST_LINE_BYTES:
                raise OllamaRefused(self.url, "it sends far more than it was asked for")
            for line in lines:
                if line.strip():
                    yield self._parsed(line, response)

    def _parsed(self, content: bytes, response: httpx.Response) -> Document:
        try:
            document = json.loads(content)
        except (ValueError, RecursionError):
            document = None
        if not isinstance(document, dict):
            raise OllamaNotRunning(
                self.url, f"{response.request.url.path} answers {response.status_code} and no document"
            )
        return document


def _read(path: Path) -> Iterator[bytes]:
    with path.open("rb", buffering=0) as file:
        while piece := file.read(_PIECE_BYTES):
            yield piece


async def _told(name: str, pieces: Iterator[bytes], size_bytes: int, tell: OnStep) -> AsyncIterator[bytes]:
    done = 0
    while (piece := await asyncio.to_thread(next, pieces, None)) is not None:
        yield piece
        done += len(piece)
        await tell(Step(stage="upload", message=name, done=done, total=size_bytes))


def _step(url: str, line: Document) -> Step:
    done, total = line.get("completed"), line.get("total")
    counted = isinstance(done, int) and isinstance(total, int)
    return Step(
        stage="create",
        message=f"{url}: {str(line.get('status', ''))[:200]}",
        done=done if counted and isinstance(done, int) else 0,
        total=total if counted and isinstance(total, int) else 0,
    )


async def _each_within(
    lines: AsyncIterator[Document], limit_s: float, url: str
) -> AsyncGenerator[Document, None]:
    """Lines, of which none is waited for longer than that. Raises OllamaTookTooLong."""
    while True:
        try:
            async with asyncio.timeout(limit_s):
                line = await anext(lines)
        except StopAsyncIteration:
            return
        except TimeoutError as error:
            raise OllamaTookTooLong(url, "pull a model", limit_s) from error
        yield line


def _pull_step(url: str, line: Document, layers: dict[str, tuple[int, int]]) -> Step:
    """``layers`` remembers how far each is: bytes done and of all."""
    digest, done, total = line.get("digest"), line.get("completed", 0), line.get("total")
    if (
        isinstance(digest, str)
        and isinstance(done, int)
        and isinstance(total, int)
        and len(layers) < _MOST_LAYERS
    ):
        layers[digest] = done, total
    return Step(
        stage="pull",
        message=f"{url}: {str(line.get('status', ''))[:200]}",
        done=sum(done for done, _ in layers.values()),
        total=sum(total for _, total in layers.values()),
    )
