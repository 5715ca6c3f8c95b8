"""One Ollama server: what it has, and answers of its models. All waiting has a limit."""

import asyncio
import time
from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import dataclass

import httpx

from hone_generator.providers.base import Chunk, GenerationRequest
from hone_generator.providers.errors import (
    BadProviderAnswer,
    ContextTooLong,
    GenerationTimeout,
    ProviderError,
    ProviderUnavailable,
)
from hone_generator.providers.ollama_http import OllamaHttp, check_type, read_lines, read_whole
from hone_generator.providers.ollama_wire import (
    PROVIDER,
    Document,
    ModelEntry,
    ModelProfile,
    chat_body,
    chunk,
    context_tokens,
    document,
    entries,
    error_message,
    failure,
    not_found,
    profile,
    prompt_tokens,
)

_MAX_DOCUMENT_BYTES = 16 * 1024 * 1024  # /api/show lists every tensor
_MAX_ERROR_BYTES = 64 * 1024
# A line for each token, of some 150 bytes around the token itself.
_MAX_ANSWER_BYTES = 64 * 1024
_MAX_ANSWER_BYTES_PER_TOKEN = 1024


@dataclass(frozen=True, slots=True)
class OllamaSettings:
    """``first_token_s`` is the time for loading the model, for the requests before this one, and for the prompt.

    ``max_context_tokens`` bounds the memory that a long prompt may take. ``keep_alive_s`` is how long a model stays
    loaded after an answer; -1 is for ever.
    """

    connect_s: float = 3.0
    listing_s: float = 10.0
    first_token_s: float = 300.0
    keep_alive_s: int = 600
    max_context_tokens: int = 32_768
    retry_down_host_s: float = 10.0


@dataclass(frozen=True, slots=True)
class _Asked:
    """A question as it was sent. ``model`` is what errors call it; it has room for ``context_tokens``."""

    model: str
    name: str
    request: GenerationRequest
    prompt_tokens: int
    context_tokens: int


class OllamaServer:
    def __init__(self, url: str, settings: OllamaSettings) -> None:
        self.url = url
        self.in_flight = 0
        self._settings = settings
        self._http = OllamaHttp(url, settings.connect_s)
        self._profiles: dict[str, tuple[str, ModelProfile]] = {}  # name: digest and profile
        self._down_since: float | None = None

    @property
    def recently_down(self) -> bool:
        since = self._down_since
        return since is not None and time.monotonic() - since < self._settings.retry_down_host_s

    async def aclose(self) -> None:
        await self._http.aclose()

    async def version(self) -> str:
        version = (await self._document("GET", "/api/version")).get("version")
        if not isinstance(version, str):
            raise BadProviderAnswer(PROVIDER, f"{self.url} does not tell its version")
        return version[:40]

    async def present(self) -> list[ModelEntry]:
        """Models on its disk."""
        return entries(await self._document("GET", "/api/tags"))

    async def loaded(self) -> list[ModelEntry]:
        """Models in its memory."""
        return entries(await self._document("GET", "/api/ps"))

    async def chat(
        self, model: str, entry: ModelEntry, request: GenerationRequest
    ) -> AsyncGenerator[Chunk, None]:
        """Stream the answer. Closing the generator closes the connection, and Ollama stops."""
        self.in_flight += 1
        try:
            known = await self._profile(model, entry)
            needed = prompt_tokens(request.messages, known)
            ceiling = self._settings.max_context_tokens
            context = context_tokens(needed + request.max_tokens, known, entry.context_tokens, ceiling)
            body = chat_body(entry.name, request, known, context, self._settings.keep_alive_s)
            room = min(context, known.context_tokens or context)
            async with aclosing(
                self._answer(_Asked(model, entry.name, request, needed, room), body)
            ) as chunks:
                async for piece in chunks:
                    yield piece
        finally:
            self.in_flight -= 1

    async def _answer(self, asked: _Asked, body: Document) -> AsyncGenerator[Chunk, None]:
        loop = asyncio.get_running_loop()
        limit_s = self._settings.first_token_s
        deadline = loop.time() + limit_s
        max_bytes = _MAX_ANSWER_BYTES + asked.request.max_tokens * _MAX_ANSWER_BYTES_PER_TOKEN
        try:
            async with self._http.open("POST", "/api/chat", body, limit_s) as response:
                if response.status_code != 200:
                    raise await self._failure(response, asked)
                check_type(response, "application/x-ndjson")
                async with aclosing(read_lines(response, max_bytes)) as lines:
                    began = ended = False
                    while not ended:
                        async with asyncio.timeout_at(deadline):
                            line = await anext(lines, None)
                        if not began:
                            began, limit_s = True, asked.request.timeout_s
                            deadline = loop.time() + limit_s
                        piece = self._chunk(line, asked)
                        ended = piece.finish_reason is not None
                        if piece.text or ended:
                            yield piece
        except TimeoutError:
            raise GenerationTimeout(asked.model, limit_s) from None

    def _chunk(self, line: bytes | None, asked: _Asked) -> Chunk:
        if line is None:
            raise BadProviderAnswer(PROVIDER, f"{asked.model} ended in the middle of its answer")
        parsed = document(line)
        if message := error_message(parsed):
            raise failure(asked.model, 200, message, asked.prompt_tokens, asked.context_tokens)
        piece = chunk(parsed)
        if piece.usage is not None and piece.usage.prompt_tokens >= asked.context_tokens:
            # Servers that do not know "truncate" cut the prompt to what fits.
            raise ContextTooLong(
                asked.model, max(asked.prompt_tokens, piece.usage.prompt_tokens), asked.context_tokens
            )
        return piece

    async def _profile(self, model: str, entry: ModelEntry) -> ModelProfile:
        digest, known = self._profiles.get(entry.name, ("", ModelProfile()))
        if not digest or digest != entry.digest:
            asked = _Asked(model, entry.name, GenerationRequest(()), 0, 0)
            known = profile(await self._document("POST", "/api/show", {"model": entry.name}, asked))
            self._profiles[entry.name] = (entry.digest, known)
        return known

    async def _document(
        self, method: str, path: str, body: Document | None = None, asked: _Asked | None = None
    ) -> Document:
        limit_s = self._settings.listing_s
        try:
            async with asyncio.timeout(limit_s), self._http.open(method, path, body, limit_s) as response:
                if response.status_code != 200:
                    raise await self._failure(response, asked)
                check_type(response, "application/json")
                answer = document(await read_whole(response, _MAX_DOCUMENT_BYTES))
        except (TimeoutError, ProviderUnavailable) as error:
            self._down_since = time.monotonic()
            if isinstance(error, ProviderUnavailable):
                raise
            reason = f"{self.url} did not answer {path} within {limit_s:g} s"
            raise ProviderUnavailable(PROVIDER, reason) from None
        self._down_since = None
        return answer

    async def _failure(self, response: httpx.Response, asked: _Asked | None) -> ProviderError:
        """What an answer means whose status is not 200."""
        status, url = response.status_code, response.request.url
        async with asyncio.timeout(self._settings.listing_s):
            text = await read_whole(response, _MAX_ERROR_BYTES)
        try:
            message = error_message(document(text))
        except BadProviderAnswer:
            message = None
        if message is None and status not in {429, 502, 503, 504}:
            return BadProviderAnswer(PROVIDER, f"{url} answered {status}, as Ollama never does")
        message = message or f"{url} answered {status}"
        if asked is None:
            return ProviderUnavailable(PROVIDER, f"{self.url}: {message}")
        if status == 404:
            return not_found(
                asked.model, asked.name, [entry.name for entry in await self.present()], self.url
            )
        return failure(asked.model, status, message, asked.prompt_tokens, asked.context_tokens)
