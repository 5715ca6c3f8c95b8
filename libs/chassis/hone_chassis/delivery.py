"""What happens to a message around its handler: heartbeats, retries with growing delay, dead letters.

This is a FastStream middleware. Handlers raise ``Transient`` or ``Permanent``; any other exception counts as
transient, for a bug may be fixed by the next release, and a message is worth more than a clean log.
"""

import asyncio
import json
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager, suppress
from time import perf_counter
from typing import Any

from faststream import BaseMiddleware
from faststream.exceptions import HandlerException, NackMessage, RejectMessage
from faststream.nats import NatsMessage
from nats.js import JetStreamContext
from pydantic import ValidationError

from hone_chassis import metrics, tracing
from hone_chassis.broker import BROKER_TROUBLE
from hone_chassis.dead_letters import bury
from hone_chassis.errors import HandlingError, Permanent, Transient
from hone_chassis.logs import bound_contextvars, get_logger
from hone_chassis.settings import ServiceSettings

log = get_logger(__name__)

Next = Callable[[Any], Awaitable[Any]]


class Deliveries:
    """Makes a middleware for each message; holds what they share."""

    def __init__(self, settings: ServiceSettings) -> None:
        self.settings = settings
        self.jetstream: JetStreamContext | None = None  # set once connected
        # Consumers whose messages never become dead letters: those of the dead letters themselves.
        self.never_bury: set[str] = set()
        self.none_in_hand = asyncio.Event()
        self.none_in_hand.set()
        self._in_hand = 0

    def __call__(self, message: Any, /, *, context: Any) -> "_Delivery":
        return _Delivery(message, context=context, shared=self)

    @contextmanager
    def one_more(self, subject: str) -> Iterator[None]:
        """Counts a message as in hand."""
        self._in_hand += 1
        self.none_in_hand.clear()
        metrics.MESSAGES_IN_HAND.labels(subject).inc()
        try:
            yield
        finally:
            metrics.MESSAGES_IN_HAND.labels(subject).dec()
            self._in_hand -= 1
            if self._in_hand == 0:
                self.none_in_hand.set()

    def delay_s(self, delivery: int) -> float:
        """The pause before delivery ``delivery + 1``: doubling, bounded."""
        return min(self.settings.retry_delay_s * 2.0 ** (delivery - 1), self.settings.retry_delay_max_s)


class _Delivery(BaseMiddleware):
    def __init__(self, message: Any, /, *, context: Any, shared: Deliveries) -> None:
        super().__init__(message, context=context)
        self._shared = shared

    async def consume_scope(self, call_next: Next, msg: NatsMessage) -> Any:  # type: ignore[override]
        if not _from_jetstream(msg):
            return await call_next(msg)
        subject, started = msg.raw_message.subject, perf_counter()
        heartbeat = asyncio.create_task(_heartbeat(msg, self._shared.settings.ack_wait_s / 3))
        job = (msg.headers or {}).get("correlation_id", "")
        try:
            with (
                self._shared.one_more(subject),
                bound_contextvars(correlation_id=job),
                tracing.span(f"handle {subject}", dict(msg.headers or {}), job=job),
            ):
                result = await self._handle(call_next, msg)
            metrics.MESSAGES_HANDLED.labels(subject, "done").inc()
            return result
        finally:
            heartbeat.cancel()
            metrics.HANDLING_SECONDS.labels(subject).observe(perf_counter() - started)

    async def _handle(self, call_next: Next, msg: NatsMessage) -> Any:
        try:
            return await call_next(msg)
        except HandlerException:
            raise
        except asyncio.CancelledError:
            # The service stops: another one, or the next start, shall have it at once.
            metrics.MESSAGES_HANDLED.labels(msg.raw_message.subject, "interrupted").inc()
            with suppress(*BROKER_TROUBLE):
                await asyncio.shield(msg.nack())
            raise
        except ValidationError as error:
            unreadable = Permanent("bad_message", "A message does not fit its contract", _first_lines(error))
            await self._give_up(msg, unreadable)
        except Permanent as error:
            await self._give_up(msg, error)
        except Transient as error:
            await self._try_again(msg, error)
        except Exception as error:
            log.exception("a handler failed unexpectedly", subject=msg.raw_message.subject)
            unexpected = Transient("internal", "An unexpected error", repr(error))
            await self._try_again(msg, unexpected)

    async def _try_again(self, msg: NatsMessage, error: HandlingError) -> None:
        delivery = msg.raw_message.metadata.num_delivered
        durable = msg.raw_message.metadata.consumer
        if delivery >= self._shared.settings.max_deliver and durable not in self._shared.never_bury:
            await self._give_up(msg, error)
        delay_s = self._shared.delay_s(delivery)
        log.warning("will try again", error=str(error), delivery=delivery, delay_s=delay_s)
        metrics.MESSAGES_HANDLED.labels(msg.raw_message.subject, "retried").inc()
        raise NackMessage(delay=delay_s)

    async def _give_up(self, msg: NatsMessage, error: HandlingError) -> None:
        assert self._shared.jetstream is not None
        raw = msg.raw_message
        log.error("dead letter", error=str(error), subject=raw.subject, delivery=raw.metadata.num_delivered)
        durable = raw.metadata.consumer or ""
        if durable not in self._shared.never_bury:
            headers = dict(raw.headers or {})
            await bury(
                self._shared.jetstream, raw.subject, raw.data, headers, consumer=durable, reason=error.body()
            )
        metrics.MESSAGES_HANDLED.labels(raw.subject, "dead").inc()
        raise RejectMessage


def _from_jetstream(msg: NatsMessage) -> bool:
    return msg.raw_message.reply.startswith("$JS.ACK")


def _first_lines(error: ValidationError) -> str:
    found = [
        f"{'.'.join(map(str, each['loc']))}: {each['msg']}" for each in error.errors(include_url=False)[:5]
    ]
    return json.dumps(found)


async def _heartbeat(msg: NatsMessage, every_s: float) -> None:
    """Tell the broker that the work goes on, so that it gives the message to nobody else."""
    while True:
        await asyncio.sleep(every_s)
        try:
            await msg.in_progress()
        except BROKER_TROUBLE as error:
            log.warning("heartbeat not sent", error=repr(error))
