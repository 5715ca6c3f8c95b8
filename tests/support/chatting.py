"""Chats end to end: a real gateway, a real NATS, and the generator's chat service with an engine that is played."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
from openai import AsyncOpenAI
from playing import KEY, settings
from running import started

from hone_chassis import Service, ServiceSettings
from hone_contracts.chat import ChatModels, ListChatModels
from hone_gateway.app import create
from hone_generator.chat.engine import ChatQuestion, Piece
from hone_generator.chat.service import ChatService
from hone_generator.providers.base import FinishReason, Usage

MODEL = "played:model"
USAGE = Usage(7, 3, 2)
Play = Callable[[ChatQuestion], AsyncGenerator[Piece, None]]


@dataclass
class PlayedEngine:
    """Answers as ``play`` does, and remembers what it was asked and whether it was stopped."""

    play: Play
    asked: list[ChatQuestion] = field(default_factory=list)
    begun: asyncio.Event = field(default_factory=asyncio.Event)
    stopped: asyncio.Event = field(default_factory=asyncio.Event)
    given: int = 0

    async def __call__(self, question: ChatQuestion) -> AsyncGenerator[Piece, None]:
        self.asked.append(question)
        self.begun.set()
        try:
            async for piece in self.play(question):
                self.given += 1
                yield piece
        except (asyncio.CancelledError, GeneratorExit):
            self.stopped.set()
            raise


def saying(*texts: str, usage: Usage | None = USAGE, finish: FinishReason = FinishReason.STOP) -> Play:
    """An engine's part: these texts, then the end."""

    async def play(_question: ChatQuestion) -> AsyncGenerator[Piece, None]:
        for text in texts:
            yield Piece(text, MODEL)
        yield Piece("", MODEL, finish, usage)

    return play


def failing(error: Exception, *texts: str) -> Play:
    """As ``saying``, and then the error."""

    async def play(_question: ChatQuestion) -> AsyncGenerator[Piece, None]:
        for text in texts:
            yield Piece(text, MODEL)
        raise error

    return play


async def _forever(_question: ChatQuestion) -> AsyncGenerator[Piece, None]:
    yield Piece("one", MODEL)
    await asyncio.Event().wait()


async def _never(_question: ChatQuestion) -> AsyncGenerator[Piece, None]:
    await asyncio.Event().wait()
    yield Piece("", MODEL)


FOREVER: Play = _forever
NEVER: Play = _never


def generator(nats_url: str, folder: Path, engine: PlayedEngine, limit: int = 64) -> Service:
    """A service that answers chats, and nothing else."""
    chosen = ServiceSettings.model_validate(
        {"nats_url": nats_url, "data_dir": folder, "graceful_timeout_s": 0.5}
    )
    service = Service("generator", chosen, package="hone_generator", head="0001")
    service.resource(ChatService(engine, limit, chosen.graceful_timeout_s).listening)

    async def models(_question: ListChatModels) -> ChatModels:
        return ChatModels(
            models=("default", "hone/openapi", MODEL, "openai+http://127.0.0.1:1/v1:some/model")
        )

    service.answers(ListChatModels, models)
    return service


def client(url: str, key: str = KEY) -> AsyncOpenAI:
    return AsyncOpenAI(base_url=f"{url}/v1", api_key=key, max_retries=0, timeout=60)


@asynccontextmanager
async def gateway(nats_url: str, folder: Path) -> AsyncIterator[str]:
    """Gives its URL."""
    database = f"sqlite+aiosqlite:///{folder / 'gateway.db'}"
    async with started(
        create(settings(nats_url, database, events_heartbeat_s=0.1, graceful_timeout_s=1))
    ) as url:
        yield url


def joined(texts: Iterable[str | None]) -> str:
    return "".join(text or "" for text in texts)


HELLO: list[Any] = [{"role": "user", "content": "Hello"}]


class Api:
    """Gateway and generator, up, and a client of OpenAI that talks to them."""

    def __init__(self, url: str, engine: PlayedEngine) -> None:
        self.url, self.engine = url, engine
        self.openai = client(url)

    async def say(self, **more: Any) -> Any:
        return await self.openai.chat.completions.create(**{"model": MODEL, "messages": HELLO} | more)

    async def post(self, document: Any = None, **more: Any) -> httpx.Response:
        async with httpx.AsyncClient(timeout=60, headers={"Authorization": f"Bearer {KEY}"}) as http:
            body = {"model": MODEL, "messages": HELLO} | (document or {})
            return await http.post(f"{self.url}/v1/chat/completions", **{"json": body} | more)


@asynccontextmanager
async def api_of(nats_url: str, folder: Path) -> AsyncIterator[Api]:
    """Gateway and generator, which says "Hello." to everything until a test has it play something else."""
    engine = PlayedEngine(saying("Hel", "lo."))
    async with started(generator(nats_url, folder, engine, limit=8)), gateway(nats_url, folder) as url:
        api = Api(url, engine)
        yield api
        await api.openai.close()
