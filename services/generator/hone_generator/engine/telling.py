"""How far a request is, told to everyone who waits for it. Text comes in pieces of some milliseconds, not of tokens.

A reader of the stream keeps the text since the last of ``ANEW``: with each of these stages another attempt begins,
and what was written before is void.
"""

import asyncio
from collections import deque
from typing import Final, Protocol

from hone_generator.engine.storable import line, printable

ANEW: Final = frozenset({"started", "restarting", "repairing", "asking again", "next model"})
"""``restarting``: the model broke off and its text is void; ``repairing``: the validators' messages went back to it;
``asking again``: the same question once more; ``next model``: the one before had its chance."""

_EVERY_S = 0.03  # a person sees no difference, and a fast model writes ten tokens in that time
_MOST_REPLAYED_CHARS = 60_000


class Listener(Protocol):
    """Where one job's progress goes: ``hone_chassis.ProgressPublisher``."""

    async def __call__(
        self, stage: str, message: str = "", *, done: int | None = None, total: int | None = None
    ) -> None: ...

    async def token(self, stage: str, text: str) -> None: ...


class Audience:
    """The listeners of one request. Who joins late hears where it stands and the text of the attempt so far."""

    def __init__(self) -> None:
        self._listeners: list[Listener] = []
        self._unsent: list[str] = []
        self._sender: asyncio.Task[None] | None = None
        self._stage, self._message = "started", ""
        self._said: deque[str] = deque()
        self._said_chars = 0
        self._turn = asyncio.Lock()  # what was said first is sent first, to everyone

    @property
    def wrote(self) -> bool:
        """Whether anything of the attempt in hand was shown."""
        return bool(self._said)

    async def join(self, listener: Listener) -> None:
        async with self._turn:
            await listener(self._stage, self._message)
            if self._said:
                await listener.token("writing", "".join(self._said))
            self._listeners.append(listener)

    def leave(self, listener: Listener) -> None:
        self._listeners = [each for each in self._listeners if each is not listener]

    async def __call__(
        self, stage: str, message: str = "", *, done: int | None = None, total: int | None = None
    ) -> None:
        async with self._turn:
            await self._send_all()
            if stage in ANEW:
                self._said.clear()
                self._said_chars = 0
            message = line(message)
            self._stage, self._message = stage, message
            for listener in tuple(self._listeners):
                await listener(stage, message, done=done, total=total)

    async def write(self, text: str) -> None:
        """The model wrote that. The first piece goes at once, the next ones together."""
        self._unsent.append(printable(text))
        if self._sender is None:
            self._sender = asyncio.create_task(self._send_on())
            async with self._turn:
                await self._send()

    async def flush(self) -> None:
        async with self._turn:
            await self._send_all()

    async def _send_on(self) -> None:
        """As long as there is something to send."""
        while True:
            await asyncio.sleep(_EVERY_S)
            if not self._unsent:
                self._sender = None
                return
            async with self._turn:
                await self._send()

    async def _send_all(self) -> None:
        """Whoever has the turn may end the sender: it sleeps, or waits for its turn."""
        if self._sender is not None:
            self._sender.cancel()
            self._sender = None
        await self._send()

    async def _send(self) -> None:
        text, self._unsent = "".join(self._unsent), []
        if not text:
            return
        self._said.append(text)
        self._said_chars += len(text)
        while self._said_chars > _MOST_REPLAYED_CHARS:
            self._said_chars -= len(self._said.popleft())
        for listener in tuple(self._listeners):
            await listener.token("writing", text)
