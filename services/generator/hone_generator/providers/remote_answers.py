"""An answer that comes as server-sent events: its time limits, its bounds, and what breaks it off.

What the events mean is the business of each protocol's reader.
"""

import asyncio
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing, suppress
from dataclasses import dataclass, replace
from typing import Protocol

import httpx

from hone_generator.providers.base import Chunk, GenerationRequest
from hone_generator.providers.errors import (
    BadProviderAnswer,
    GenerationTimeout,
    ProviderError,
    ProviderUnavailable,
    StreamBroken,
)
from hone_generator.providers.failures import Addressee, Refusal, error_of, retry_after_s
from hone_generator.providers.remote_http import RemoteHttp, media_type
from hone_generator.providers.sse import Event, SseParser
from hone_generator.providers.wire_fields import Document, document

_MAX_EVENT_BYTES = 1024 * 1024
_MAX_DOCUMENT_BYTES = 32 * 1024 * 1024  # embeddings of many texts
_MAX_ERROR_BYTES = 64 * 1024
# Servers send up to some 400 bytes around each token, and may think for longer than they answer.
_MAX_ANSWER_BYTES = 1024 * 1024
_MAX_ANSWER_BYTES_PER_TOKEN = 4096
_ERROR_S = 5.0
# After the end of the answer only its counts are to come.
_AFTERWARDS_S = 3.0
# What may still come once the answer is whole: the end of the body, as a rule at once.
_REST_S, _MAX_REST_BYTES = 0.1, 64 * 1024
_DONE = "[DONE]"


class Reader(Protocol):
    """Reads the documents of one answer."""

    @property
    def finished(self) -> bool:
        """The model said all it had to say. Counts may still come."""
        ...

    @property
    def ended(self) -> bool:
        """Nothing more will come."""
        ...

    def read(self, document: Document) -> Chunk | None:
        """A piece of the answer; with empty text if the model only thinks. Raises ProviderError."""
        ...

    def last(self) -> Chunk:
        """The end of the answer, with its counts. Asked for when it is finished."""
        ...


Errors = Callable[[int | None, Document], Refusal | None]
"""How a protocol writes errors: what a document says that came with a status, or (None) in the middle of an answer;
None if it is no error."""


@dataclass(frozen=True, slots=True)
class RemoteCall:
    """What is asked, and who is asked. ``limit_s`` bounds questions that have no limits of their own."""

    http: RemoteHttp
    asked: Addressee
    errors: Errors
    limit_s: float = 10.0

    async def document(self, method: str, path: str, body: Document | None = None) -> Document:
        """Raises ProviderError."""
        try:
            async with (
                asyncio.timeout(self.limit_s),
                self.http.open(method, path, body, self.limit_s, self.limit_s) as response,
            ):
                if response.status_code != 200:
                    raise await self._failure(response)
                return document(self.asked.provider, await self.http.whole(response, _MAX_DOCUMENT_BYTES))
        except TimeoutError:
            reason = f"{self.http.base_url} did not answer within {self.limit_s:g} s"
            raise ProviderUnavailable(self.asked.provider, reason) from None

    async def stream(
        self, path: str, body: Document, request: GenerationRequest, reader: Reader
    ) -> AsyncGenerator[Chunk, None]:
        """The answer as it comes. Closing the generator closes the connection, and the model stops.

        Raises GenerationTimeout, StreamBroken when it began and did not end, and other kinds of ProviderError.
        """
        clock = _Clock(self.asked.model, request)
        try:
            async with aclosing(self._chunks(path, body, request, reader, clock)) as chunks:
                async for chunk in chunks:
                    yield chunk
        except (ProviderUnavailable, TimeoutError) as error:
            if not reader.finished:
                raise self._broken(error, clock) from error
        if not reader.finished:
            raise StreamBroken(self.asked.provider, f"{self.asked.model} ended in the middle of its answer")
        yield reader.last()

    async def _chunks(
        self, path: str, body: Document, request: GenerationRequest, reader: Reader, clock: "_Clock"
    ) -> AsyncGenerator[Chunk, None]:
        async with self.http.open("POST", path, body, request.connect_s, clock.first_token_s) as response:
            if response.status_code != 200 or media_type(response) != "text/event-stream":
                raise await self._failure(response)
            async with (
                aclosing(self.http.pieces(response)) as pieces,
                aclosing(self._events(pieces, request, reader, clock)) as events,
            ):
                async for event in events:
                    if event.data.strip() == _DONE:
                        break
                    chunk = reader.read(self._document_of(event, clock))
                    clock.began = clock.began or chunk is not None
                    if chunk is not None and chunk.text:
                        yield chunk
                    if reader.ended:
                        break
                await _rest(pieces)

    async def _events(
        self, pieces: AsyncGenerator[bytes, None], request: GenerationRequest, reader: Reader, clock: "_Clock"
    ) -> AsyncGenerator[Event, None]:
        parser = SseParser(self.asked.provider, _MAX_EVENT_BYTES)
        left_bytes = _MAX_ANSWER_BYTES + request.max_tokens * _MAX_ANSWER_BYTES_PER_TOKEN
        while True:
            async with asyncio.timeout_at(clock.deadline(finished=reader.finished)):
                piece = await anext(pieces, None)
            if piece is None:
                break
            left_bytes -= len(piece)
            if left_bytes < 0:
                raise BadProviderAnswer(self.asked.provider, "it sends far more than it was asked for")
            for event in parser.feed(piece):
                yield Event(event.type, self.http.hidden(event.data))
        if (event_at_end := parser.close()) is not None:
            yield Event(event_at_end.type, self.http.hidden(event_at_end.data))

    def _document_of(self, event: Event, clock: "_Clock") -> Document:
        """Raises the error that it is, if it is one."""
        found = document(self.asked.provider, event.data)
        refusal = self.errors(
            None, {"error": found} if event.type == "error" and "error" not in found else found
        )
        if refusal is None:
            return found
        if clock.began:
            raise StreamBroken(self.asked.provider, refusal.message or refusal.code)
        raise error_of(self.asked, refusal)

    def _broken(self, error: ProviderUnavailable | TimeoutError, clock: "_Clock") -> ProviderError:
        if isinstance(error, TimeoutError):
            return clock.timeout()
        return StreamBroken(self.asked.provider, error.reason) if clock.began else error

    async def _failure(self, response: httpx.Response) -> ProviderError:
        """What an answer means that is none."""
        status, kind = response.status_code, media_type(response)
        text = await self._error_text(response)
        try:
            refusal = self.errors(status, document(self.asked.provider, text))
        except BadProviderAnswer:
            refusal = None
        if refusal is None and status == 200:
            shown = self.http.hidden(kind)[:80] or "no type"
            return BadProviderAnswer(
                self.asked.provider, f"{self.http.base_url} answers with {shown}, not a stream"
            )
        if refusal is None:
            refusal = Refusal(status, "", f"{self.http.base_url} answered {status}")
        wait_s = (
            refusal.retry_after_s if refusal.retry_after_s is not None else retry_after_s(response.headers)
        )
        return error_of(self.asked, replace(refusal, retry_after_s=wait_s))

    async def _error_text(self, response: httpx.Response) -> str:
        """Its first part, as far as it comes soon: a server in trouble is not waited for long."""
        text = bytearray()
        with suppress(TimeoutError):
            async with asyncio.timeout(_ERROR_S), aclosing(self.http.pieces(response)) as pieces:
                async for piece in pieces:
                    text += piece
                    if len(text) > _MAX_ERROR_BYTES:
                        break
        return self.http.hidden(bytes(text[:_MAX_ERROR_BYTES]).decode(errors="replace"))


async def _rest(pieces: AsyncGenerator[bytes, None]) -> None:
    """Read on to the end of a stream whose answer has ended, if that is near: the connection can be used again then,
    and is closed otherwise."""
    left_bytes = _MAX_REST_BYTES
    with suppress(TimeoutError):
        async with asyncio.timeout(_REST_S):
            async for piece in pieces:
                left_bytes -= len(piece)
                if left_bytes < 0:
                    return


class _Clock:
    """The limits of one answer, counted from when it is asked for."""

    def __init__(self, model: str, request: GenerationRequest) -> None:
        self._model, self._request = model, request
        self._loop = asyncio.get_running_loop()
        self._start = self._loop.time()
        self._finished_by: float | None = None
        self.began = False  # the model said or thought something

    @property
    def first_token_s(self) -> float:
        return min(self._request.first_token_s, self._request.timeout_s)

    def deadline(self, *, finished: bool) -> float:
        """When to stop waiting for more."""
        end = self._start + (self._request.timeout_s if self.began else self.first_token_s)
        if not finished:
            return end
        if self._finished_by is None:
            self._finished_by = min(end, self._loop.time() + _AFTERWARDS_S)
        return self._finished_by

    def timeout(self) -> GenerationTimeout:
        limit_s = self._request.timeout_s if self.began else self.first_token_s
        return GenerationTimeout(self._model, limit_s, began=self.began)
