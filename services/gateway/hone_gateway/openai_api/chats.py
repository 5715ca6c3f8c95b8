"""Chats with the generator over NATS (see ``hone_contracts.chat``): one inbox for all, frames sorted to their chats.

On this path a request costs no task and no timer of its own: one round of ``_look`` notices whoever fell silent, and
only chats that take their time begin to watch whether their caller is still there.
"""

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager, suppress
from typing import Any

import nats.errors
from nats.aio.client import Client
from nats.aio.msg import Msg
from pydantic import ValidationError

from hone_chassis import Running
from hone_chassis.broker import BROKER_TROUBLE
from hone_chassis.errors import BrokerUnavailable
from hone_chassis.logs import get_logger
from hone_chassis.tasks import end
from hone_contracts.chat import CONTROL, SILENCE_LIMIT_S, WINDOW, AskChat, ChatControl, ChatFrame
from hone_gateway.errors import BodyTooLarge, Starting
from hone_gateway.openai_api.errors import ChatFailed, GatewayStopping, GeneratorLost

log = get_logger(__name__)

_LOOK_EVERY_S = 0.25
_TELL_S = 1.0
_GRANT = WINDOW // 2
_NOBODY = "503"  # the status NATS answers with when nobody listens on the subject

Watch = Callable[[], Coroutine[Any, Any, None]]
"""Returns when the caller has gone away."""


class CallerGone(Exception):
    """Whoever asked has hung up."""


class Chat:
    """One chat, open. ``frame`` gives what comes next."""

    def __init__(
        self, chats: "Chats", subject: str, watch: Watch, beats_after_s: float | None, now: float
    ) -> None:
        self._chats, self.subject, self._watch, self._beats_after_s = chats, subject, watch, beats_after_s
        self.opened_at = self._heard_at = self._passed_on_at = now
        self._frames: deque[ChatFrame] = deque()
        self._failure: Exception | None = None
        self._waiting: asyncio.Future[None] | None = None
        self._watching: asyncio.Task[None] | None = None
        self._expected = self._read = 0
        self.ended = False

    async def frame(self) -> ChatFrame:
        """The next chunk, or done; a beat when there was nothing to pass on for ``beats_after_s``.

        Raises ChatFailed with the generator's reason, GeneratorLost, CallerGone.
        """
        while not self._frames:
            if self._failure is not None:
                raise self._failure
            self._waiting = asyncio.get_running_loop().create_future()
            await self._waiting
        frame = self._frames.popleft()
        if frame.kind == "error" and frame.error is not None:
            raise ChatFailed(frame.error, frame.retry_after_s)
        if frame.kind == "chunk":
            self._read += 1
            if self._read % _GRANT == 0:
                await self._chats.control(ChatControl(chat=self.subject, more_frames=_GRANT))
        return frame

    def take(self, frame: ChatFrame, now: float) -> None:
        self._heard_at = now
        if frame.kind == "beat":
            if self._beats_after_s is None or now - self._passed_on_at < self._beats_after_s:
                return
        elif frame.sequence != self._expected:
            self.fail(GeneratorLost("Part of the answer was lost on its way: ask again."))
            return
        else:
            self._expected += 1
            self.ended = frame.kind in {"done", "error"}
        self._passed_on_at = now
        self._frames.append(frame)
        self._wake()

    def fail(self, failure: Exception) -> None:
        self._failure = self._failure or failure
        self._wake()

    def look(self, now: float) -> None:
        """Called now and then for as long as the chat is open."""
        if now - self._heard_at > SILENCE_LIMIT_S and not self.ended:
            self.fail(GeneratorLost("The generator fell silent in the middle of its work: ask again."))
        if self._watching is None:
            self._watching = asyncio.create_task(self._until_gone())

    async def close(self) -> None:
        if self._watching is not None:
            await end([self._watching])

    async def _until_gone(self) -> None:
        await self._watch()
        self.fail(CallerGone())

    def _wake(self) -> None:
        if self._waiting is not None and not self._waiting.done():
            self._waiting.set_result(None)


class Chats:
    """All open chats of this gateway. In the end they have ``graceful_s`` to come to theirs."""

    def __init__(self, graceful_s: float) -> None:
        self._graceful_s = graceful_s
        self._open: dict[str, Chat] = {}
        self._none_open = asyncio.Event()
        self._none_open.set()
        self._client: Client | None = None
        self._stopping = False
        self._prefix = ""
        self._number = 0

    @asynccontextmanager
    async def listening(self, running: Running) -> AsyncIterator[None]:
        self._prefix = f"{running.client.new_inbox()}."
        inbox = await running.client.subscribe(f"{self._prefix}*", cb=self._hear)
        looking = asyncio.create_task(self._look(), name="chats")
        self._client = running.client
        try:
            yield
        finally:
            self._stopping = True
            await self._finish()
            self._client = None
            await end([looking])
            await inbox.unsubscribe()

    async def _finish(self) -> None:
        with suppress(TimeoutError):
            async with asyncio.timeout(self._graceful_s):
                await self._none_open.wait()
        for chat in self._open.values():
            chat.fail(GatewayStopping())
        with suppress(TimeoutError):  # until their callers and the generator are told
            async with asyncio.timeout(_TELL_S):
                await self._none_open.wait()

    @asynccontextmanager
    async def open(self, question: AskChat, watch: Watch, beats_after_s: float | None) -> AsyncIterator[Chat]:
        """Put the question. Leaving before the answer has ended stops the model.

        Raises Starting, BrokerUnavailable, BodyTooLarge.
        """
        client = self._client
        if self._stopping:
            raise GatewayStopping
        if client is None:
            raise Starting
        if (
            not client.is_connected
        ):  # the client would keep the question, and send it when nobody waits any more
            raise BrokerUnavailable("not connected")
        self._number += 1
        subject = f"{self._prefix}{self._number}"
        chat = Chat(self, subject, watch, beats_after_s, asyncio.get_running_loop().time())
        self._open[subject] = chat
        self._none_open.clear()
        try:
            await _publish(client, question, subject)
            yield chat
        finally:
            if not chat.ended:
                await self.control(ChatControl(chat=subject, cancel=True))
            await chat.close()
            del self._open[subject]
            if not self._open:
                self._none_open.set()

    async def control(self, word: ChatControl) -> None:
        if self._client is None:
            return
        try:
            await self._client.publish(CONTROL, word.model_dump_json().encode())
        except BROKER_TROUBLE as error:
            log.warning("a chat's generator was not told", error=repr(error))

    async def _hear(self, message: Msg) -> None:
        chat = self._open.get(message.subject)
        if chat is None:
            return  # closed meanwhile
        if not message.data and message.headers and message.headers.get("Status") == _NOBODY:
            chat.ended = True
            chat.fail(GeneratorLost("No generator is running: `hone status` shows what is."))
            return
        try:
            frame = ChatFrame.model_validate_json(message.data)
        except ValidationError as error:
            log.warning("a frame that does not fit its contract", error=str(error))
            chat.fail(GeneratorLost("The generator speaks another version of the protocol."))
            return
        chat.take(frame, asyncio.get_running_loop().time())

    async def _look(self) -> None:
        while True:
            await asyncio.sleep(_LOOK_EVERY_S)
            now = asyncio.get_running_loop().time()
            for chat in self._open.values():
                if now - chat.opened_at > _LOOK_EVERY_S:
                    chat.look(now)


async def _publish(client: Client, question: AskChat, reply: str) -> None:
    try:
        await client.publish(AskChat.subject, question.model_dump_json().encode(), reply=reply)
    except nats.errors.MaxPayloadError as error:
        raise BodyTooLarge(client.max_payload) from error
    except BROKER_TROUBLE as error:
        raise BrokerUnavailable(repr(error)) from error
