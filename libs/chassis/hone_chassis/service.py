"""A service in a few lines: say what it handles, answers and shows. ``runtime`` runs it."""

from collections.abc import Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import Any, TypeVar

from faststream.nats import JStream, NatsBroker, PullSub
from faststream.nats.annotations import NatsMessage
from nats.aio.client import Client
from nats.aio.msg import Msg
from nats.aio.subscription import Subscription
from nats.js import JetStreamContext
from pydantic import BaseModel
from starlette.applications import Starlette

from hone_chassis import broker as bus
from hone_chassis import rpc
from hone_chassis.broker import Consumer
from hone_chassis.database import Database
from hone_chassis.delivery import Deliveries
from hone_chassis.handling import LongHandler, ShortHandler, run_long, run_short
from hone_chassis.health import Health
from hone_chassis.logs import get_logger
from hone_chassis.progress import ProgressPublisher
from hone_chassis.settings import ServiceSettings
from hone_contracts import streams, subjects
from hone_contracts.errors import Request
from hone_contracts.messages import Command, Message
from hone_contracts.status import AskStatus, ServiceStatus
from hone_contracts.streams import StreamSpec

log = get_logger(__name__)

M = TypeVar("M", bound=Message)
Q = TypeVar("Q", bound=Request)

_PULL_TIMEOUT_S = 5.0
_SHORT_BATCH = 64


@dataclass(frozen=True)
class Running:
    """What a running service has at hand."""

    client: Client
    jetstream: JetStreamContext
    database: Database


@dataclass(frozen=True)
class RawMessage:
    """A stream's message as it lies there."""

    subject: str
    body: bytes
    headers: dict[str, str]


Resource = Callable[[Running], AbstractAsyncContextManager[None]]
Background = Callable[[Running], Awaitable[None]]
Listener = Callable[[bytes], Awaitable[None]]


class Service:
    """What a service does, declared; nothing is opened before it runs.

    ``package`` holds ``migrations``; ``head`` is its newest revision. ``http`` gets the health routes added.
    """

    def __init__(
        self, name: str, settings: ServiceSettings, *, package: str, head: str, http: Starlette | None = None
    ) -> None:
        self.name, self.settings, self.package, self.head = name, settings, package, head
        self.http = http or Starlette()
        self.health = Health()
        self.database = Database(settings.database_url_of(name), name)
        self.consumers: list[Consumer] = []
        self.listeners: dict[str, Listener] = {}
        self.resources: list[Resource] = []
        self.backgrounds: list[Background] = []
        self.saving: list[Callable[[], float]] = []
        self.on_reconnect: list[Callable[[], None]] = []
        self.on_lost: list[Callable[[], None]] = []
        self.deliveries = Deliveries(settings)
        self.broker: NatsBroker = bus.connect(
            settings.nats_url.get_secret_value(),
            f"hone-{name}",
            [self.deliveries],
            self._reconnected,
            self._lost,
        )
        self._running: Running | None = None
        self.answers(AskStatus, self._status, subject=subjects.rpc(name, "status"))

    @property
    def running(self) -> Running:
        assert self._running is not None, "the service does not run yet"
        return self._running

    @running.setter
    def running(self, running: Running) -> None:
        self._running = running

    def handles(self, message: type[M], handler: ShortHandler[M]) -> None:
        """``handler`` works inside the transaction that records the receipt. Many run at a time."""

        async def consume(received: M) -> None:
            await run_short(self.database, consumer.durable, received, handler)

        consumer = self._consumer(message)
        self._subscribe(
            consumer,
            consume,
            {"received": message},
            batch=_SHORT_BATCH,
            title=message.__name__,
            description=message.__doc__,
        )

    def works_on(self, message: type[M], handler: LongHandler[M], *, parallel: int = 1) -> None:
        """``handler`` takes its time, outside any transaction; ``parallel`` of them at once, each fetching one."""

        async def consume(received: M, raw: NatsMessage) -> None:
            attempt = raw.raw_message.metadata.num_delivered
            progress = ProgressPublisher(self.running.client, received, attempt)
            await run_long(self.database, consumer.durable, received, handler, progress)

        consumer = self._consumer(message)
        for number in range(parallel):
            self._subscribe(
                consumer,
                consume,
                {"received": message, "raw": NatsMessage},
                batch=1,
                title=message.__name__,
                description=message.__doc__,
                documented=number == 0,
            )

    def expects(self, message: type[Command]) -> None:
        """Work that other processes of this service do: what waits is counted before the first of them is there."""
        self._consumer(message)

    def takes_time_to_save(self, needs_s: Callable[[], float]) -> None:
        """Work in hand may save what it has when the service stops: ``needs_s`` is asked then; 0 for nothing."""
        self.saving.append(needs_s)

    def answers(
        self, question: type[Q], handler: Callable[[Q], Awaitable[BaseModel]], *, subject: str | None = None
    ) -> None:
        """Requests from other services, shared among replicas. ``subject``: the question's own when None."""
        subject = subject or str(question.subject)  # type: ignore[attr-defined]
        answer = rpc.answering(subject, question, handler)

        async def reply(raw: NatsMessage) -> bytes:
            return await answer(raw.body)

        self.broker.subscriber(subject, queue=self.name, title=question.__name__)(reply)

    def hears(self, subject: str, listener: Listener) -> None:
        """Messages that are not stored: every replica gets every one that comes while it listens."""

        self.listeners[subject] = listener

    async def listen(self) -> Sequence[Subscription]:
        """Begin to hear. Straight on the NATS client: what is not stored is neither acknowledged nor tried again, and
        comes often (every token of a model)."""

        def heard(listener: Listener) -> Callable[[Msg], Awaitable[None]]:
            async def hear(message: Msg) -> None:
                try:
                    await listener(message.data)
                except Exception:  # the edge: one message must not end the hearing of all
                    log.exception("a message was not taken in", subject=message.subject)

            return hear

        client = self.running.client
        return [await client.subscribe(subject, cb=heard(each)) for subject, each in self.listeners.items()]

    def consumes(
        self, stream: StreamSpec, subject: str, handler: Callable[[RawMessage], Awaitable[None]], *, name: str
    ) -> None:
        """Each message of ``subject``, as it is, at least once: the handler must bear repetition.

        For what is no contract message: dead letters and advisories. They are tried for ever, never buried;
        a Permanent lets one go.
        """

        async def consume(raw: NatsMessage) -> None:
            message = raw.raw_message
            await handler(RawMessage(message.subject, message.data, dict(message.headers or {})))

        consumer = Consumer(stream.name, f"{self.name}-{name}", subject, self.settings.ack_wait_s, None)
        self.consumers.append(consumer)
        self.deliveries.never_bury.add(consumer.durable)
        self._subscribe(
            consumer, consume, {"raw": NatsMessage}, batch=_SHORT_BATCH, title=name, description=None
        )

    def announces(self, *messages: type[Message]) -> None:
        """What this service puts into its outbox, for the AsyncAPI document."""
        for message in messages:
            self.broker.publisher(message.subject, title=message.__name__, schema=message)

    def resource(self, opened: Resource) -> None:
        """Opened before the first message comes, closed after the last one is done."""
        self.resources.append(opened)

    def background(self, task: Background) -> None:
        """Runs as long as the service. If it ends, the service ends."""
        self.backgrounds.append(task)

    def _consumer(self, message: type[Message]) -> Consumer:
        stream = streams.COMMANDS if issubclass(message, Command) else streams.EVENTS
        durable = f"{self.name}-{message.subject.removeprefix('hone.').replace('.', '-')}"
        consumer = Consumer(
            stream.name, durable, message.subject, self.settings.ack_wait_s, self.settings.max_deliver
        )
        if consumer not in self.consumers:
            self.consumers.append(consumer)
        return consumer

    def _subscribe(
        self,
        consumer: Consumer,
        consume: Callable[..., Awaitable[None]],
        annotations: dict[str, Any],
        *,
        batch: int,
        title: str,
        description: str | None,
        documented: bool = True,
    ) -> None:
        # FastStream reads the types of the arguments to decode and document the message.
        consume.__annotations__ = {**annotations, "return": None}
        self.broker.subscriber(
            consumer.subject,
            stream=JStream(consumer.stream, declare=False),
            durable=consumer.durable,
            pull_sub=PullSub(batch_size=batch, timeout=_PULL_TIMEOUT_S),
            title=title,
            description=description,
            include_in_schema=documented,
        )(consume)

    async def _status(self, _question: AskStatus) -> ServiceStatus:
        return ServiceStatus(service=self.name, troubles=await self.health.troubles())

    def _reconnected(self) -> None:
        for tell in self.on_reconnect:
            tell()

    def _lost(self) -> None:
        for tell in self.on_lost:
            tell()
