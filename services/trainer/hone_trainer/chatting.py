"""One question to a model, over the generator's chats."""

import asyncio
from collections.abc import Callable

from nats.aio.client import Client
from nats.aio.msg import Msg

from hone_chassis import Permanent, ServiceUnavailable, Transient
from hone_contracts.chat import SILENCE_LIMIT_S, AskChat, ChatFrame


class Chatting:
    def __init__(self, client: Callable[[], Client], limit_s: float) -> None:
        self._client, self._limit_s = client, limit_s

    async def __call__(self, question: AskChat) -> str:
        """The whole answer. Raises Permanent or Transient with the generator's reason, ServiceUnavailable."""
        client = self._client()
        frames: asyncio.Queue[ChatFrame] = asyncio.Queue()

        async def heard(message: Msg) -> None:
            frames.put_nowait(ChatFrame.model_validate_json(message.data))

        inbox = client.new_inbox()
        subscription = await client.subscribe(inbox, cb=heard)
        try:
            await client.publish(question.subject, question.model_dump_json().encode(), reply=inbox)
            async with asyncio.timeout(self._limit_s):
                return await self._read(frames)
        except TimeoutError as error:
            raise ServiceUnavailable(question.subject, "no answer in time") from error
        finally:
            await subscription.unsubscribe()

    @staticmethod
    async def _read(frames: "asyncio.Queue[ChatFrame]") -> str:
        """Without streaming an answer is a few frames: far fewer than may be on their way at a time."""
        text = ""
        while True:
            async with asyncio.timeout(SILENCE_LIMIT_S):
                frame = await frames.get()
            if frame.kind == "chunk":
                text += frame.text
            elif frame.error is not None:
                kind = Transient if frame.error.transient else Permanent
                raise kind(frame.error.code, frame.error.title, frame.error.detail, frame.error.status)
            elif frame.kind == "done":
                return text + frame.text
