"""One Ollama server: what it has, loading and unloading. All waiting has a limit."""

import asyncio
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass

import httpx

from hone_generator.providers.errors import (
    BadProviderAnswer,
    GenerationTimeout,
    ProviderError,
    ProviderUnavailable,
)
from hone_generator.providers.failures import retry_after_s
from hone_generator.providers.ollama_errors import error_message, failure, not_found
from hone_generator.providers.ollama_hosts import PROVIDER
from hone_generator.providers.ollama_http import OllamaHttp, check_type, read_whole
from hone_generator.providers.ollama_show import ModelProfile, profile
from hone_generator.providers.ollama_wire import ModelEntry, embed_body, embeddings, entries
from hone_generator.providers.wire_fields import Document, document

_MAX_DOCUMENT_BYTES = 16 * 1024 * 1024  # /api/show lists every tensor
_MAX_ERROR_BYTES = 64 * 1024


@dataclass(frozen=True, slots=True)
class OllamaSettings:
    """``load_s`` is the time for loading a model, ``queue_s`` for a first token while other answers are
    written before it.

    ``max_context_tokens`` bounds the memory that a long prompt may take. ``keep_alive_s`` is how long a model stays
    loaded after an answer; -1 is for ever.
    """

    connect_s: float = 3.0
    listing_s: float = 10.0
    load_s: float = 300.0
    queue_s: float = 300.0
    embed_s: float = 120.0
    keep_alive_s: int = 600
    max_context_tokens: int = 32_768
    retry_down_host_s: float = 10.0


@dataclass(frozen=True, slots=True)
class Asked:
    """A question as it is sent, for errors: ``model`` is what they call it; it has room for ``context_tokens``."""

    model: str
    name: str
    prompt_tokens: int = 0
    context_tokens: int = 0


class OllamaServer:
    """``in_flight`` counts the answers that it is writing for us."""

    def __init__(self, url: str, settings: OllamaSettings) -> None:
        self.url = url
        self.settings = settings
        self.in_flight = 0
        self.http = OllamaHttp(url, settings.connect_s)
        self._profiles: dict[str, tuple[str, ModelProfile]] = {}  # name: digest and profile
        self._down_since: float | None = None

    @property
    def recently_down(self) -> bool:
        since = self._down_since
        return since is not None and time.monotonic() - since < self.settings.retry_down_host_s

    async def aclose(self) -> None:
        await self.http.aclose()

    async def version(self) -> str:
        version = (await self._listing("GET", "/api/version")).get("version")
        if not isinstance(version, str):
            raise BadProviderAnswer(PROVIDER, f"{self.url} does not tell its version")
        return version[:40]

    async def present(self) -> list[ModelEntry]:
        """Models on its disk."""
        return entries(await self._listing("GET", "/api/tags"))

    async def loaded(self) -> list[ModelEntry]:
        """Models in its memory, and those that it is loading."""
        return entries(await self._listing("GET", "/api/ps"))

    async def profile(self, model: str, entry: ModelEntry) -> ModelProfile:
        """Of a model on its disk; it is asked for again when the model was made anew."""
        digest, known = self._profiles.get(entry.name, ("", ModelProfile()))
        if not digest or digest != entry.digest:
            asked = Asked(model, entry.name)
            shown = await self._listing("POST", "/api/show", {"model": entry.name}, asked)
            known = profile(shown, entry.size_bytes)
            self._profiles[entry.name] = (entry.digest, known)
        return known

    async def load(self, name: str, context_tokens: int) -> None:
        """Into memory, with this context, for each request."""
        options = {"num_ctx": context_tokens}
        body = {"model": name, "options": options, "keep_alive": self.settings.keep_alive_s, "stream": False}
        await self.document("/api/generate", body, Asked(name, name, 0, context_tokens), self.settings.load_s)

    async def load_embedder(self, name: str, context_tokens: int) -> None:
        """The same for a model that gives vectors, which the other way refuses."""
        body = embed_body(name, (), context_tokens, self.settings.keep_alive_s)
        await self.document("/api/embed", body, Asked(name, name, 0, context_tokens), self.settings.load_s)

    async def unload(self, name: str) -> None:
        """Begins it. An answer that is being written is written to its end first."""
        await self._listing(
            "POST", "/api/generate", {"model": name, "keep_alive": 0, "stream": False}, Asked(name, name)
        )

    async def embed(self, asked: Asked, texts: Sequence[str]) -> list[list[float]]:
        body = embed_body(asked.name, texts, asked.context_tokens, self.settings.keep_alive_s)
        return embeddings(await self.document("/api/embed", body, asked, self.settings.embed_s), len(texts))

    async def document(self, path: str, body: Document, asked: Asked, limit_s: float) -> Document:
        """Raises GenerationTimeout, and what the server's error means."""
        try:
            async with asyncio.timeout(limit_s), self.http.open("POST", path, body, limit_s) as response:
                await self.check(response, asked, "application/json")
                return document(PROVIDER, await read_whole(response, _MAX_DOCUMENT_BYTES))
        except TimeoutError:
            raise GenerationTimeout(asked.model, limit_s) from None

    async def check(self, response: httpx.Response, asked: Asked | None, media_type: str) -> None:
        """Raises what an answer means that is not of the kind that was asked for."""
        if response.status_code != 200:
            raise await self._failure(response, asked)
        check_type(response, media_type)

    @asynccontextmanager
    async def answering(self) -> AsyncIterator[None]:
        self.in_flight += 1
        try:
            yield
        finally:
            self.in_flight -= 1

    async def _listing(
        self, method: str, path: str, body: Document | None = None, asked: Asked | None = None
    ) -> Document:
        """What a server answers at once, whatever else it does; one that does not is down."""
        limit_s = self.settings.listing_s
        try:
            async with asyncio.timeout(limit_s), self.http.open(method, path, body, limit_s) as response:
                await self.check(response, asked, "application/json")
                answer = document(PROVIDER, await read_whole(response, _MAX_DOCUMENT_BYTES))
        except (TimeoutError, ProviderUnavailable) as error:
            self._down_since = time.monotonic()
            if isinstance(error, ProviderUnavailable):
                raise
            reason = f"{self.url} did not answer {path} within {limit_s:g} s"
            raise ProviderUnavailable(PROVIDER, reason) from None
        self._down_since = None
        return answer

    async def _failure(self, response: httpx.Response, asked: Asked | None) -> ProviderError:
        """What an answer means whose status is not 200."""
        status, url = response.status_code, response.request.url
        async with asyncio.timeout(self.settings.listing_s):
            content = await read_whole(response, _MAX_ERROR_BYTES)
        try:
            message = error_message(document(PROVIDER, content))
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
        needed, context = asked.prompt_tokens, asked.context_tokens
        return failure(
            asked.model, status, message, needed, context, retry_after_s=retry_after_s(response.headers)
        )
