"""The life of a service: start in order, run until told to stop, stop in order, lose nothing."""

import asyncio
import importlib
import signal
import socket
from collections.abc import Sequence
from contextlib import AsyncExitStack, suppress
from datetime import timedelta

import uvloop
from nats.aio.client import Client
from nats.aio.subscription import Subscription

from hone_chassis import broker as bus
from hone_chassis import inbox, logs, migrations, tracing
from hone_chassis.broker import BROKER_TROUBLE, Provisioner
from hone_chassis.errors import DatabaseUnavailable
from hone_chassis.http import HttpServer, listen
from hone_chassis.outbox import EpochSource, Relay
from hone_chassis.service import Background, Running, Service
from hone_chassis.tasks import end
from hone_contracts import streams

log = logs.get_logger(__name__)

_CONNECT_LIMIT_S = 30.0
_PURGE_EVERY_S = 3600.0


class BrokerLost(Exception):
    """The client gave up on NATS. The process ends, so that its supervisor starts it anew."""


def serve(module: str, listener: socket.socket | None = None) -> None:
    """Run the service that ``module.create()`` makes until SIGTERM or SIGINT. The whole of a process."""
    service: Service = importlib.import_module(module).create()
    settings = service.settings
    logs.configure(service.name, settings.log_level, settings.log_format)
    tracing.configure(service.name, settings.otlp_endpoint)
    try:
        uvloop.run(_until_signalled(service, listener))
    finally:
        tracing.flush()


async def _until_signalled(service: Service, listener: socket.socket | None) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    await run(service, stop, listener)


async def run(service: Service, stop: asyncio.Event, listener: socket.socket | None = None) -> None:
    """Run until ``stop`` is set. Raises what ended it otherwise."""
    settings = service.settings
    async with AsyncExitStack() as stack:
        stack.push_async_callback(service.database.aclose)
        await migrations.migrate(service.database, service.package, service.head)

        own = listener or listen(settings.host, settings.port)
        service.http.router.routes.extend(service.health.routes())
        http = HttpServer(service.http, settings.graceful_timeout_s)
        http_task = asyncio.create_task(http.serve(sockets=[own]))
        stack.push_async_callback(_stop_http, http, http_task)

        client = await bus.first_connection(service.broker, _CONNECT_LIMIT_S)
        stack.push_async_callback(_stop_broker, service, client)
        provisioner = await _provisioned(service, client)
        for resource in service.resources:
            await stack.enter_async_context(resource(service.running))
        tasks = _background_tasks(service, provisioner)
        stack.push_async_callback(end, tasks)
        hearing = await service.listen()
        await service.broker.start()
        service.health.started = True
        log.info("ready", address=str(own.getsockname()))
        try:
            await _wait(service, stop, [http_task, *tasks])
        finally:
            service.health.stopping = True
            await _stop_subscribers(service)
            await _stop_hearing(hearing)


async def _provisioned(service: Service, client: Client) -> Provisioner:
    """Streams and consumers are there; the service has what it needs to run."""
    jetstream = client.jetstream()
    provisioner = Provisioner(jetstream, service.consumers)
    await provisioner.provision()
    service.deliveries.jetstream = jetstream
    service.running = Running(client, jetstream, service.database)
    _add_checks(service, provisioner)
    return provisioner


def _background_tasks(service: Service, provisioner: Provisioner) -> list[asyncio.Task[None]]:
    """The chassis's own, and the service's. After a reconnect they look again at what the broker has."""
    jetstream = service.running.jetstream
    relay = Relay(service.database, timedelta(days=service.settings.outbox_keep_days))
    epoch = EpochSource(jetstream, [streams.COMMANDS.name, streams.EVENTS.name])

    def look_again() -> None:
        epoch.forget()
        provisioner.look_now()
        relay.wake()

    service.on_reconnect.append(look_again)
    return [
        asyncio.create_task(relay.run(jetstream, epoch), name="outbox relay"),
        asyncio.create_task(provisioner.watch(look_again), name="consumer watch"),
        asyncio.create_task(_purge_inbox(service), name="inbox purge"),
        *(asyncio.create_task(_background(task, service.running)) for task in service.backgrounds),
    ]


def _add_checks(service: Service, provisioner: Provisioner) -> None:
    async def broker() -> str | None:
        return None if service.running.client.is_connected else "not connected to NATS"

    async def consumers() -> str | None:
        absent = await provisioner.missing()
        return f"missing on the broker: {', '.join(absent)}" if absent else None

    async def database() -> str | None:
        await service.database.ping()
        return None

    service.health.add("broker", broker)
    service.health.add("consumers", consumers)
    service.health.add("database", database)


async def _wait(service: Service, stop: asyncio.Event, tasks: list[asyncio.Task[None]]) -> None:
    """Until ``stop``; a task that ends before it takes the service with it."""
    lost = asyncio.Event()
    service.on_lost.append(lost.set)
    stopped = asyncio.create_task(stop.wait())
    gone = asyncio.create_task(lost.wait())
    done, _ = await asyncio.wait({stopped, gone, *tasks}, return_when=asyncio.FIRST_COMPLETED)
    for waiting in (stopped, gone):
        waiting.cancel()
    if stop.is_set():
        log.info("stopping")
        return
    if lost.is_set():
        raise BrokerLost
    for task in done:
        task.result()
        raise RuntimeError(f"{task.get_name()} ended by itself")


async def _stop_subscribers(service: Service) -> None:
    """Take no new messages; give those in hand a moment, then hand them back (see ``delivery``)."""
    service.on_lost.clear()
    subscribers = list(service.broker.subscribers)
    for subscriber in subscribers:
        subscriber.running = False
    moment_s = max(service.settings.graceful_timeout_s, *(needs_s() for needs_s in service.saving), 0.0)
    with suppress(TimeoutError):
        async with asyncio.timeout(moment_s):
            await service.deliveries.none_in_hand.wait()
    for subscriber in subscribers:
        await subscriber.stop()


async def _stop_hearing(hearing: Sequence[Subscription]) -> None:
    for subscription in hearing:
        with suppress(*BROKER_TROUBLE):  # with the connection gone, so is the subscription
            await subscription.unsubscribe()


async def _background(task: Background, running: Running) -> None:
    await task(running)


async def _purge_inbox(service: Service) -> None:
    while True:
        try:
            await inbox.purge(service.database, timedelta(days=service.settings.inbox_keep_days))
        except DatabaseUnavailable as error:
            log.warning("old receipts not removed", error=str(error))
        await asyncio.sleep(_PURGE_EVERY_S)


async def _stop_broker(service: Service, client: Client) -> None:
    try:
        async with asyncio.timeout(service.settings.graceful_timeout_s):
            await service.broker.stop()
    except (TimeoutError, *BROKER_TROUBLE) as error:  # a broker that is away cannot be drained into
        log.info("the broker is away, closing", error=repr(error))
        await client.close()


async def _stop_http(http: HttpServer, task: asyncio.Task[None]) -> None:
    http.stop()
    await task
