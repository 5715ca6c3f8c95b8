"""One chat being answered: the engine's pieces as numbered frames, no faster than the reader reads."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing

from nats.aio.client import Client

from hone_contracts.chat import MAX_ANSWER_CHARS, MAX_FRAME_CHARS, WINDOW, AskChat, ChatFrame, ChatUsage
from hone_generator.chat.engine import ChatEngine, ChatQuestion, Piece
from hone_generator.chat.failures import AnswerTooLong, ReaderStalled
from hone_generator.providers.base import ChatMessage, FinishReason, Role, Usage

STALL_LIMIT_S = 120.0
"""A reader that takes nothing for so long is given up, and the model is free for others."""

_REASONS = {FinishReason.STOP: "stop", FinishReason.LENGTH: "length", FinishReason.REFUSED: "content_filter"}


class Answering:
    """Sends the frames of one chat to its reply subject."""

    def __init__(self, client: Client, reply: str, stall_limit_s: float = STALL_LIMIT_S) -> None:
        self._client, self._reply, self._stall_limit_s = client, reply, stall_limit_s
        self._sequence = 0
        self._granted = WINDOW
        self._more = asyncio.Event()
        self._last_model: str | None = None
        self.sent_at = asyncio.get_running_loop().time()
        self.task: asyncio.Task[None] | None = None

    async def run(self, engine: ChatEngine, asked: AskChat) -> None:
        """Raises what the engine raises, AnswerTooLong, ReaderStalled."""
        async with aclosing(engine(_question(asked))) as pieces:
            if asked.stream:
                await self._as_it_comes(pieces)
            else:
                await self._at_once(pieces)

    def grant(self, frames: int) -> None:
        """The reader has taken so many more."""
        self._granted += frames
        self._more.set()

    async def send(self, frame: ChatFrame) -> None:
        self.sent_at = asyncio.get_running_loop().time()
        await self._client.publish(self._reply, frame.model_dump_json(exclude_defaults=True).encode())

    async def fail(self, frame: ChatFrame) -> None:
        """``frame`` as the last one."""
        await self.send(frame.model_copy(update={"sequence": self._sequence}))

    async def _as_it_comes(self, pieces: AsyncGenerator[Piece, None]) -> None:
        finish, usage = FinishReason.STOP, None
        async for piece in pieces:
            finish, usage = piece.finish_reason or finish, piece.usage or usage
            if piece.text:
                await self._text(piece.text, piece.model)
        await self._done("", finish, usage)

    async def _at_once(self, pieces: AsyncGenerator[Piece, None]) -> None:
        texts: list[str] = []
        length, finish, usage = 0, FinishReason.STOP, None
        async for piece in pieces:
            finish, usage = piece.finish_reason or finish, piece.usage or usage
            self._last_model = piece.model
            texts.append(piece.text)
            length += len(piece.text)
            if length > MAX_ANSWER_CHARS:
                raise AnswerTooLong(piece.model, MAX_ANSWER_CHARS)
        text = "".join(texts)
        while len(text) > MAX_FRAME_CHARS:
            await self._chunk(text[:MAX_FRAME_CHARS], None)
            text = text[MAX_FRAME_CHARS:]
        await self._done(text, finish, usage)

    async def _text(self, text: str, model: str) -> None:
        told = None if model == self._last_model else model
        self._last_model = model
        for start in range(0, len(text), MAX_FRAME_CHARS):
            await self._chunk(text[start : start + MAX_FRAME_CHARS], told)
            told = None

    async def _chunk(self, text: str, model: str | None) -> None:
        await self._room()
        await self.send(ChatFrame(kind="chunk", sequence=self._sequence, text=text, model=model))
        self._sequence += 1

    async def _room(self) -> None:
        """Wait while the reader has a window of frames that it has not taken."""
        while self._sequence >= self._granted:
            self._more.clear()
            try:
                async with asyncio.timeout(self._stall_limit_s):
                    await self._more.wait()
            except TimeoutError as error:
                raise ReaderStalled(self._stall_limit_s) from error

    async def _done(self, text: str, finish: FinishReason, usage: Usage | None) -> None:
        counted = None
        if usage is not None:
            counted = ChatUsage(
                prompt_tokens=usage.prompt_tokens,
                completion_tokens=usage.completion_tokens,
                cached_tokens=usage.cached_tokens,
            )
        await self.send(
            ChatFrame(
                kind="done",
                sequence=self._sequence,
                text=text,
                model=self._last_model,
                finish_reason=_REASONS[finish],
                usage=counted,
            )
        )


def _question(asked: AskChat) -> ChatQuestion:
    return ChatQuestion(
        model=asked.model,
        messages=tuple(ChatMessage(Role(each.role), each.content) for each in asked.messages),
        max_tokens=asked.max_tokens,
        temperature=asked.temperature,
        seed=asked.seed,
        stop=asked.stop,
        answer_schema=asked.answer_schema,
    )
