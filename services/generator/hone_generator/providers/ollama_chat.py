"""An answer of a model that is loaded, as it is written."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import dataclass

from hone_generator.providers.base import Chunk, FinishReason, GenerationRequest
from hone_generator.providers.errors import (
    ContextTooLong,
    GenerationTimeout,
    ProviderUnavailable,
    StreamBroken,
)
from hone_generator.providers.ollama_errors import error_message, failure
from hone_generator.providers.ollama_hosts import PROVIDER
from hone_generator.providers.ollama_http import read_lines
from hone_generator.providers.ollama_server import Asked, OllamaServer
from hone_generator.providers.ollama_wire import chunk
from hone_generator.providers.wire_fields import Document, document

# A line for each token, of some 150 bytes around the token itself.
_MAX_ANSWER_BYTES = 64 * 1024
_MAX_ANSWER_BYTES_PER_TOKEN = 1024
# Ollama ends an answer without a last word when a token comes for the 32nd time in a row (its llm/server.go), and
# does not tell of those without text.
_LOOPS_FROM = 25


@dataclass(slots=True)
class _Loop:
    """A model that says one word again and again: the connection is well, and asking again would not help."""

    word: str = ""
    repeats: int = 0

    def heard(self, text: str) -> None:
        word = text.strip()
        self.repeats = self.repeats + 1 if word == self.word else 0
        self.word = word

    @property
    def ends(self) -> bool:
        return self.repeats >= _LOOPS_FROM


async def chat(
    server: OllamaServer, asked: Asked, body: Document, request: GenerationRequest
) -> AsyncGenerator[Chunk, None]:
    """Closing the generator closes the connection, and Ollama stops.

    Raises StreamBroken for what goes wrong after the first piece.
    """
    first_s = (
        request.first_token_s if not server.in_flight else max(request.first_token_s, server.settings.queue_s)
    )
    began = False
    async with server.answering():
        try:
            async with aclosing(_pieces(server, asked, body, request, first_s)) as pieces:
                async for piece in pieces:
                    began = True
                    yield piece
        except ProviderUnavailable as error:
            if began:
                raise StreamBroken(PROVIDER, error.reason) from error
            raise


async def _pieces(
    server: OllamaServer, asked: Asked, body: Document, request: GenerationRequest, first_s: float
) -> AsyncGenerator[Chunk, None]:
    loop = asyncio.get_running_loop()
    limit_s, deadline = first_s, loop.time() + first_s
    began = ended = False
    words = _Loop()
    max_bytes = _MAX_ANSWER_BYTES + request.max_tokens * _MAX_ANSWER_BYTES_PER_TOKEN
    try:
        async with server.http.open("POST", "/api/chat", body, first_s, request.connect_s) as response:
            await server.check(response, asked, "application/x-ndjson")
            async with aclosing(read_lines(response, max_bytes)) as lines:
                while not ended:
                    async with asyncio.timeout_at(deadline):
                        line = await anext(lines, None)
                    if line is None and words.ends:
                        yield Chunk("", FinishReason.LENGTH)
                        return
                    piece = _read(line, asked, began)
                    if not began:
                        began, limit_s = True, request.timeout_s
                        deadline = loop.time() + limit_s
                    ended = piece.finish_reason is not None
                    words.heard(piece.text)
                    if piece.text or ended:
                        yield piece
    except TimeoutError:
        raise GenerationTimeout(asked.model, limit_s, began=began) from None


def _read(line: bytes | None, asked: Asked, began: bool) -> Chunk:
    if line is None:
        raise StreamBroken(PROVIDER, f"{asked.model} ended without a last word")
    parsed = document(PROVIDER, line)
    if message := error_message(parsed):
        error = failure(asked.model, 200, message, asked.prompt_tokens, asked.context_tokens)
        if began and isinstance(error, ProviderUnavailable):
            raise StreamBroken(PROVIDER, f"{asked.model}: {message}")
        raise error
    piece = chunk(parsed)
    if piece.usage is not None and piece.usage.prompt_tokens >= asked.context_tokens:
        # Servers that do not know "truncate" cut the prompt to what fits.
        raise ContextTooLong(
            asked.model, max(asked.prompt_tokens, piece.usage.prompt_tokens), asked.context_tokens
        )
    return piece
