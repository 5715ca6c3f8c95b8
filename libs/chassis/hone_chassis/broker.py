"""The connection to NATS, with the defaults that lose nothing.

- It reconnects for ever; should the client give up all the same, the process ends and its supervisor restarts it.
- A handler that raises is told of by ``delivery.Deliveries``; nothing is terminated by default.
- Streams and consumers are provisioned here (changed settings are applied), never declared by a subscription.
- A consumer that was deleted, or a broker that came back with an empty disk, is provisioned again.
"""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import nats.js.errors
from faststream import AckPolicy
from faststream.nats import NatsBroker
from faststream.types import BrokerMiddleware
from nats.aio.client import Client
from nats.js import JetStreamContext, api

from hone_chassis.errors import BrokerUnavailable
from hone_chassis.logs import get_logger
from hone_contracts.streams import STREAMS, StreamSpec

log = get_logger(__name__)

BROKER_TROUBLE = (nats.errors.Error, nats.js.errors.Error, asyncio.TimeoutError, OSError)
_LOOK_EVERY_S = 5.0


@dataclass(frozen=True)
class Consumer:
    """A durable pull consumer on one subject of a stream."""

    stream: str
    durable: str
    subject: str
    ack_wait_s: float
    max_deliver: int | None  # None: for ever

    def config(self) -> api.ConsumerConfig:
        return api.ConsumerConfig(
            durable_name=self.durable,
            filter_subject=self.subject,
            ack_policy=api.AckPolicy.EXPLICIT,
            ack_wait=self.ack_wait_s,
            # One more than we use: the last delivery buries the message itself, with the reason. The server's
            # own limit is for messages that kill whoever takes them.
            max_deliver=-1 if self.max_deliver is None else self.max_deliver + 1,
            deliver_policy=api.DeliverPolicy.ALL,
        )


def connect(
    url: str,
    name: str,
    middlewares: Sequence[BrokerMiddleware],
    on_reconnect: Callable[[], None],
    on_lost: Callable[[], None],
) -> NatsBroker:
    """A broker that is not connected yet; ``on_lost`` is called when the client has given up for good."""

    async def reconnected() -> None:
        on_reconnect()

    async def closed() -> None:
        on_lost()

    return NatsBroker(
        url,
        name=name,
        ack_policy=AckPolicy.NACK_ON_ERROR,
        max_reconnect_attempts=-1,
        reconnect_time_wait=0.5,  # type: ignore[arg-type]  # nats-py takes fractions
        reconnected_cb=reconnected,
        closed_cb=closed,
        middlewares=middlewares,
        graceful_timeout=None,
        logger=None,
    )


async def first_connection(broker: NatsBroker, limit_s: float) -> Client:
    """Connect, waiting for a server that is still starting. Raises BrokerUnavailable after ``limit_s``."""
    loop = asyncio.get_running_loop()
    deadline = loop.time() + limit_s
    while True:
        try:
            async with asyncio.timeout_at(deadline):
                return await broker.connect()
        except BROKER_TROUBLE as error:
            if loop.time() >= deadline:
                raise BrokerUnavailable(repr(error)) from error
            await asyncio.sleep(0.1)


class Provisioner:
    """Makes streams and consumers as they should be, and makes them again when they vanish."""

    def __init__(self, jetstream: JetStreamContext, consumers: Sequence[Consumer]) -> None:
        self._jetstream, self._consumers = jetstream, consumers
        self._look_now = asyncio.Event()

    def look_now(self) -> None:
        self._look_now.set()

    async def provision(self) -> None:
        for stream in STREAMS:
            await self._stream(stream)
        for consumer in self._consumers:
            await self._jetstream.add_consumer(consumer.stream, consumer.config())

    async def missing(self) -> list[str]:
        """The consumers that the broker does not have: with one missing, a service looks well and gets nothing."""
        absent = []
        for consumer in self._consumers:
            try:
                await self._jetstream.consumer_info(consumer.stream, consumer.durable)
            except nats.js.errors.NotFoundError:
                absent.append(consumer.durable)
        return absent

    async def watch(self, restored: Callable[[], None]) -> None:
        """Until cancelled: provision what is missing, and say so by ``restored``."""
        while True:
            try:
                async with asyncio.timeout(_LOOK_EVERY_S):
                    await self._look_now.wait()
            except TimeoutError:
                log.debug("looking after consumers")
            self._look_now.clear()
            try:
                if absent := await self.missing():
                    log.warning("consumers were missing, provisioning", consumers=absent)
                    await self.provision()
                    restored()
            except BROKER_TROUBLE as error:
                log.warning("cannot look after consumers", error=repr(error))

    async def _stream(self, spec: StreamSpec) -> None:
        config = api.StreamConfig(
            name=spec.name,
            subjects=list(spec.subjects),
            retention=api.RetentionPolicy.WORK_QUEUE
            if spec.retention == "workqueue"
            else api.RetentionPolicy.LIMITS,
            storage=api.StorageType.FILE,
            max_age=spec.max_age.total_seconds() if spec.max_age else 0,
            duplicate_window=spec.duplicate_window.total_seconds(),
        )
        try:
            await self._jetstream.add_stream(config)
        except nats.js.errors.BadRequestError as error:
            if error.err_code != _STREAM_EXISTS_OTHERWISE:
                raise
            await self._jetstream.update_stream(config)


_STREAM_EXISTS_OTHERWISE = 10058  # nats-server's JSStreamNameExistErr
