"""POST /v1/chat/completions."""

import time
from dataclasses import dataclass

from hone_contracts.ids import new_id
from hone_gateway.keys import Principal
from hone_gateway.openai_api import answers
from hone_gateway.openai_api.chats import CallerGone, Chat, Chats
from hone_gateway.openai_api.replies import Reply
from hone_gateway.openai_api.requests import ChatCompletionRequest, parse


@dataclass(frozen=True)
class Completions:
    """``still_there_s``: pause after which a stream that has nothing to say shows that it lives."""

    chats: Chats
    still_there_s: float

    async def create(self, reply: Reply, principal: Principal, _path: str) -> None:
        try:
            asked = parse(await reply.body())
            question = asked.question(principal.tenant)
            beats_after_s = self.still_there_s if question.stream else None
            async with self.chats.open(question, reply.until_gone, beats_after_s) as chat:
                if question.stream:
                    await _stream(reply, asked, chat)
                else:
                    await _whole(reply, asked, chat)
        except CallerGone:
            reply.status = reply.status or 499  # nginx's word for it; nobody is there to be answered


async def _stream(reply: Reply, asked: ChatCompletionRequest, chat: Chat) -> None:
    events = answers.Events(_chat_id(), int(time.time()), asked.model, with_usage=asked.wants_usage)
    while (frame := await chat.frame()).kind != "done":
        if frame.kind == "beat":
            await reply.event(answers.STILL_THERE)
        else:
            await reply.event(events.text(frame.text, frame.model))
    await reply.event(events.end(frame))
    await reply.end()


async def _whole(reply: Reply, asked: ChatCompletionRequest, chat: Chat) -> None:
    """The generator bounds an answer that is not streamed: it is whole in its memory, too."""
    parts: list[str] = []
    while (frame := await chat.frame()).kind != "done":
        parts.append(frame.text)
    text = "".join((*parts, frame.text))
    await reply.whole(answers.completion(_chat_id(), int(time.time()), text, frame, asked.model))


def _chat_id() -> str:
    return new_id("chatcmpl").replace("_", "-", 1)
