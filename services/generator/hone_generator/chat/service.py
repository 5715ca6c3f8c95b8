"""Takes chats from NATS: one of the generators gets each, and works on many at a time.

Straight on the NATS client, not through FastStream: nothing here is stored or delivered again, and a request may
cost well under a millisecond.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from nats.aio.client import Client
from nats.aio.msg import Msg
from pydantic import ValidationError

from hone_chassis import Running, metrics
from hone_chassis.broker import BROKER_TROUBLE
from hone_chassis.logs import get_logger
from hone_chassis.tasks import end
from hone_contracts.chat import BEAT_EVERY_S, CONTROL, AskChat, ChatControl, ChatFrame
from hone_contracts.errors import ErrorBody
from hone_contracts.ids import new_id
from hone_generator.chat.answering import Answering
from hone_generator.chat.engine import ChatEngine
from hone_generator.chat.failures import Stopping, TooBusy, frame_of

log = get_logger(__name__)

_QUEUE = "generator"
_BEAT = ChatFrame(kind="beat")


class ChatService:
    """``limit``: chats at a time; what comes beyond is refused at once, with a word to try again."""

    def __init__(self, engine: ChatEngine, limit: int, graceful_s: float) -> None:
        self._engine, self._limit, self._graceful_s = engine, limit, graceful_s
        self._open: dict[str, Answering] = {}
        self._client: Client | None = None
        self._stopping = False

    @asynccontextmanager
    async def listening(self, running: Running) -> AsyncIterator[None]:
        """As long as the service runs. In the end chats in hand get a moment; then they are told."""
        self._client = running.client
        questions = await running.client.subscribe(AskChat.subject, queue=_QUEUE, cb=self._asked)
        control = await running.client.subscribe(CONTROL, cb=self._controlled)
        beating = asyncio.create_task(self._beat(), name="chat beats")
        try:
            yield
        finally:
            await questions.unsubscribe()
            await self._finish()
            await control.unsubscribe()
            await end([beating])

    async def _asked(self, message: Msg) -> None:
        assert self._client is not None
        if not message.reply or message.reply in self._open:
            return
        answering = Answering(self._client, message.reply)
        if len(self._open) >= self._limit:
            await self._tell(answering, TooBusy(self._limit))
            return
        self._open[message.reply] = answering
        answering.task = asyncio.create_task(self._answer(answering, message))

    async def _answer(self, answering: Answering, message: Msg) -> None:
        outcome = "done"
        try:
            await answering.run(self._engine, AskChat.model_validate_json(message.data))
        except asyncio.CancelledError:
            outcome = "cancelled"
            if self._stopping:
                await self._tell(answering, Stopping())
        except Exception as error:  # noqa: BLE001 (the edge: told, and logged where it is a bug)
            outcome = "failed"
            await self._tell(answering, error)
        finally:
            del self._open[message.reply]
            metrics.REQUESTS_ANSWERED.labels(AskChat.subject, outcome).inc()

    async def _tell(self, answering: Answering, error: Exception) -> None:
        frame = frame_of(error) or _of_bug(error)
        try:
            await answering.fail(frame)
        except BROKER_TROUBLE as trouble:
            log.warning("a chat's end was not told", error=repr(trouble))

    async def _controlled(self, message: Msg) -> None:
        try:
            word = ChatControl.model_validate_json(message.data)
        except ValidationError as error:
            log.warning("a word about a chat that does not fit its contract", error=str(error))
            return
        answering = self._open.get(word.chat)
        if answering is None:
            return
        answering.grant(word.more_frames)
        if word.cancel and answering.task is not None:
            answering.task.cancel()

    async def _beat(self) -> None:
        """Show that chats without news live, also those that wait for their reader."""
        loop = asyncio.get_running_loop()
        while True:
            await asyncio.sleep(BEAT_EVERY_S / 2)
            silent_since = loop.time() - BEAT_EVERY_S / 2
            for answering in [each for each in self._open.values() if each.sent_at <= silent_since]:
                try:
                    await answering.send(_BEAT)
                except BROKER_TROUBLE as error:
                    log.debug("beat not sent", error=repr(error))

    async def _finish(self) -> None:
        tasks = [each.task for each in self._open.values() if each.task is not None]
        if tasks:
            await asyncio.wait(tasks, timeout=self._graceful_s)
        self._stopping = True
        await end([task for task in tasks if not task.done()])


def _of_bug(error: Exception) -> ChatFrame:
    """What went wrong stays in the log: it may name what the caller may not know."""
    if isinstance(error, ValidationError):
        body = ErrorBody(code="bad_request", title="A bad request", detail=_first(error), status=400)
        return ChatFrame(kind="error", error=body)
    error_id = new_id("err")
    log.error("a chat failed unexpectedly", error_id=error_id, exc_info=error)
    detail = f"An unexpected error; the generator's log has the cause under {error_id}."
    return ChatFrame(
        kind="error", error=ErrorBody(code="internal", title="An unexpected error", detail=detail)
    )


def _first(error: ValidationError) -> str:
    first = error.errors(include_url=False, include_input=False, include_context=False)[0]
    return f"{'.'.join(map(str, first['loc']))}: {first['msg']}"
