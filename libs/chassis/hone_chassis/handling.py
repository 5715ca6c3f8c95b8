"""From a message to its effect, exactly once: how the two kinds of handler run.

A *short* handler works inside the transaction that records the receipt. A *long* one works outside any
transaction; its outcome is then written together with the receipt, and dropped if somebody else's came first
(a superseded worker cannot write: the receipt is the fence).
"""

from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import TypeVar

from sqlmodel.ext.asyncio.session import AsyncSession

from hone_chassis import inbox, metrics
from hone_chassis.database import Database
from hone_chassis.logs import get_logger
from hone_chassis.outbox import announce
from hone_chassis.progress import ProgressPublisher
from hone_contracts.messages import Message

log = get_logger(__name__)

M = TypeVar("M", bound=Message)


@dataclass(frozen=True)
class Outcome:
    """What long work leads to: messages to announce, and what to write beside them."""

    messages: Sequence[Message] = ()
    write: Callable[[AsyncSession], Awaitable[None]] | None = field(default=None)


ShortHandler = Callable[[M, AsyncSession], Awaitable[Iterable[Message]]]
LongHandler = Callable[[M, ProgressPublisher], Awaitable[Outcome]]


async def run_short(database: Database, consumer: str, message: M, handler: ShortHandler[M]) -> None:
    async with database.write() as session:
        if not await inbox.record(session, consumer, str(message.message_id)):
            _duplicate(message)
            return
        announce(session, *await handler(message, session))


async def run_long(
    database: Database, consumer: str, message: M, handler: LongHandler[M], progress: ProgressPublisher
) -> None:
    if await inbox.known(database, consumer, str(message.message_id)):
        _duplicate(message)
        return
    outcome = await handler(message, progress)
    async with database.write() as session:
        if not await inbox.record(session, consumer, str(message.message_id)):
            _duplicate(message)
            return
        if outcome.write is not None:
            await outcome.write(session)
        announce(session, *outcome.messages)


def _duplicate(message: Message) -> None:
    metrics.MESSAGES_HANDLED.labels(message.subject, "duplicate").inc()
    log.info("already handled", message_id=str(message.message_id))
