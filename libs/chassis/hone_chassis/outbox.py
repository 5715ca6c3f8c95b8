"""Announce in the same transaction as the change; publish afterwards, until the broker has it.

Rows stay after they are sent. ``broker_epoch`` says which broker disk took them: when the streams are new (a
lost disk), everything not too old is sent again, and the receivers' inboxes drop what they had already applied.
"""

import asyncio
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import NamedTuple

from nats.js import JetStreamContext
from sqlalchemy import delete, select, update
from sqlmodel import col
from sqlmodel.ext.asyncio.session import AsyncSession

from hone_chassis import metrics, tracing
from hone_chassis.broker import BROKER_TROUBLE
from hone_chassis.database import ANNOUNCED, Database
from hone_chassis.errors import DatabaseUnavailable
from hone_chassis.logs import get_logger
from hone_chassis.tables import OutboxRow, table_of, utc_now
from hone_contracts.messages import Message
from hone_contracts.streams import MAX_MESSAGE_BYTES

log = get_logger(__name__)

_BATCH = 256
_PUBLISH_TIMEOUT_S = 5.0
_IDLE_S = 1.0  # another replica's rows, or ones whose wake-up was lost with its process
_RETRY_MAX_S = 10.0
_PURGE_EVERY_S = 3600.0


class MessageTooLarge(Exception):
    """A message is larger than the broker takes."""

    def __init__(self, subject: str, size_bytes: int) -> None:
        super().__init__(
            f"{subject}: {size_bytes} bytes, the broker takes {MAX_MESSAGE_BYTES}; send a URI instead"
        )


def announce(session: AsyncSession, *messages: Message) -> None:
    """Put messages into the outbox of the running transaction."""
    for message in messages:
        body = message.model_dump_json().encode()
        if len(body) > MAX_MESSAGE_BYTES - 4096:  # headers count too
            raise MessageTooLarge(message.subject, len(body))
        session.info.setdefault(ANNOUNCED, []).append(
            {
                "message_id": str(message.message_id),
                "subject": message.subject,
                "body": body,
                "headers": tracing.headers() | {"correlation_id": message.correlation_id},
                "created_at": utc_now(),
            }
        )


class _Unsent(NamedTuple):
    id: int
    message_id: str
    subject: str
    body: bytes
    headers: dict[str, str]
    created_at: datetime


_OUTBOX = table_of(OutboxRow)
_UNSENT = (
    select(*(_OUTBOX.c[name] for name in _Unsent._fields))
    .where(_OUTBOX.c.broker_epoch.is_(None))
    .order_by(_OUTBOX.c.id)
    .limit(_BATCH)
)


class Relay:
    """Publishes what the outbox holds, in order of commit, and marks it sent."""

    def __init__(self, database: Database, keep: timedelta) -> None:
        self._database, self._keep = database, keep
        self._wake = asyncio.Event()
        self._epoch: str | None = None
        database.after_commit(self._wake.set)

    def wake(self) -> None:
        self._wake.set()

    async def run(self, jetstream: JetStreamContext, epoch: "EpochSource") -> None:
        """Until cancelled. ``epoch`` tells which broker disk we are talking to."""
        delay_s, purge_at = _IDLE_S, 0.0
        loop = asyncio.get_running_loop()
        while True:
            self._wake.clear()
            try:
                current = await epoch.current()
                if current != self._epoch:
                    await self._call_back(current)
                while await self._send_batch(jetstream, current) == _BATCH:
                    continue
                delay_s = _IDLE_S
                if loop.time() >= purge_at:
                    purge_at = loop.time() + _PURGE_EVERY_S
                    await self._purge()
            except BROKER_TROUBLE as error:
                metrics.OUTBOX_FAILURES.inc()
                epoch.forget()
                delay_s = min(delay_s * 2, _RETRY_MAX_S)
                log.warning("outbox waits for the broker", error=repr(error), retry_in_s=delay_s)
            except DatabaseUnavailable as error:
                metrics.OUTBOX_FAILURES.inc()
                delay_s = min(delay_s * 2, _RETRY_MAX_S)
                log.warning("outbox waits for the database", error=str(error), retry_in_s=delay_s)
            try:
                async with asyncio.timeout(delay_s):
                    await self._wake.wait()
            except TimeoutError:
                continue

    async def _send_batch(self, jetstream: JetStreamContext, epoch: str) -> int:
        rows = await self._unsent()
        if not rows:
            return 0
        await self._database.settled()  # nothing is announced that a power cut could still undo
        results = await asyncio.gather(
            *(self._publish(jetstream, row) for row in rows), return_exceptions=True
        )
        sent = [
            row for row, result in zip(rows, results, strict=True) if not isinstance(result, BaseException)
        ]
        if sent:
            await self._mark_sent(sent, epoch)
        for result in results:
            if isinstance(result, BaseException):
                raise result
        return len(rows)

    async def _unsent(self) -> Sequence[_Unsent]:
        async with self._database.read() as session:
            return [_Unsent(*row) for row in await (await session.connection()).execute(_UNSENT)]

    async def _call_back(self, epoch: str) -> None:
        """What another broker disk took is unsent again: this one may be new and empty."""
        async with self._database.write() as session:
            result = await session.exec(
                update(OutboxRow).where(col(OutboxRow.broker_epoch) != epoch).values(broker_epoch=None)
            )
            found = result.rowcount
        self._epoch = epoch
        if found:
            log.warning("the broker's streams are new: sending again", messages=found, epoch=epoch)

    async def _publish(self, jetstream: JetStreamContext, row: _Unsent) -> None:
        headers = {**row.headers, "Nats-Msg-Id": row.message_id, "content-type": "application/json"}
        await jetstream.publish(row.subject, row.body, timeout=_PUBLISH_TIMEOUT_S, headers=headers)
        metrics.OUTBOX_SENT.labels(row.subject).inc()
        metrics.OUTBOX_LAG_SECONDS.observe((utc_now() - row.created_at).total_seconds())

    async def _mark_sent(self, rows: Sequence[_Unsent], epoch: str) -> None:
        ids = [row.id for row in rows]
        # What a power cut undoes of this is sent again, and dropped by the stream or the receivers.
        async with self._database.write(durable=False) as session:
            connection = await session.connection()
            await connection.execute(update(_OUTBOX).where(_OUTBOX.c.id.in_(ids)).values(broker_epoch=epoch))

    async def _purge(self) -> None:
        old = utc_now() - self._keep
        async with self._database.write() as session:
            await session.exec(
                delete(OutboxRow).where(
                    col(OutboxRow.created_at) < old, col(OutboxRow.broker_epoch).is_not(None)
                )
            )


class EpochSource:
    """Which broker disk this is: the creation times of the streams, asked once per connection."""

    def __init__(self, jetstream: JetStreamContext, streams: Sequence[str]) -> None:
        self._jetstream, self._streams = jetstream, streams
        self._epoch: str | None = None

    async def current(self) -> str:
        if self._epoch is None:
            infos = [await self._jetstream.stream_info(name) for name in self._streams]
            self._epoch = "|".join(str(info.created) for info in infos)
        return self._epoch

    def forget(self) -> None:
        """Ask again next time: the connection was lost, or a stream is gone."""
        self._epoch = None
