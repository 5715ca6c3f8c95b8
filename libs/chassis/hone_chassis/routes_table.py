"""The routing table on the broker: the KV bucket ``hone_routes``, key artifact type or ``default``, value ``Route``
as JSON.

The writer's database is the source of truth; the bucket is its copy, made again whenever it is found to differ
or to be gone. A watcher keeps a copy of its own in memory, which outlives the broker.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager, suppress
from typing import Self

import nats.js.errors
from nats.aio.msg import Msg
from nats.js import JetStreamContext, api
from nats.js.kv import KV_DEL, KV_OP, KV_PURGE, KeyValue
from pydantic import ValidationError

from hone_chassis.broker import BROKER_TROUBLE
from hone_chassis.errors import DatabaseUnavailable
from hone_chassis.logs import get_logger
from hone_chassis.service import Running, Service
from hone_contracts.artifacts import ArtifactType
from hone_contracts.registry import DEFAULT_ROUTE, Route
from hone_contracts.streams import ROUTES_BUCKET

log = get_logger(__name__)

RoutingTable = Mapping[str, Route]
"""By artifact type and ``default``."""
ReadTable = Callable[[], Awaitable[RoutingTable]]
"""Reads the table as the last commit left it."""

_KEYS = (DEFAULT_ROUTE, *(each.value for each in ArtifactType))
_LOOK_EVERY_S = 5.0
_TRY_AGAIN_S = 0.25  # a watcher that started before the writer is not kept waiting
_KEY_PREFIX = f"$KV.{ROUTES_BUCKET}."
_STREAM = f"KV_{ROUTES_BUCKET}"


class RoutesWriter:
    """Keeps the bucket equal to what ``read`` gives. Any number of replicas may do so at the same time."""

    def __init__(self, read: ReadTable) -> None:
        self._read = read
        self._wake = asyncio.Event()
        self._looked = asyncio.Event()
        self._begun = self._done = 0  # looks, counted
        self._trouble: str | None = "the routing table is not on the broker yet"

    @classmethod
    def of(cls, service: Service, read: ReadTable) -> Self:
        """A writer that runs with ``service``, which is ready once the table is on the broker."""
        writer = cls(read)
        service.health.add("routing table", writer.trouble)
        service.on_reconnect.append(writer.wake)
        service.background(lambda running: writer.run(running.jetstream))
        return writer

    def wake(self) -> None:
        """Look now: the table was changed, or the broker may have lost it."""
        self._wake.set()

    async def written(self, within_s: float) -> bool:
        """Look now, and wait until the bucket is as the table was at this moment, or later. False when that takes
        longer: it will be, once the broker and the database are there."""
        wanted = self._begun + 1
        self.wake()
        with suppress(TimeoutError):
            async with asyncio.timeout(within_s):
                while self._done < wanted:
                    await self._looked.wait()
        return self._done >= wanted

    async def trouble(self) -> str | None:
        return self._trouble

    async def run(self, jetstream: JetStreamContext) -> None:
        """Until cancelled."""
        while True:
            self._wake.clear()
            self._begun += 1
            wait_s = _LOOK_EVERY_S
            try:
                if changed := await self.reconcile(jetstream):
                    log.info("routing table written", artifact_types=sorted(changed))
                self._trouble = None
                self._done = self._begun
                self._looked.set()
                self._looked = asyncio.Event()
            except nats.js.errors.KeyWrongLastSequenceError:
                continue  # another replica wrote in between: look at what it made of it
            except (*BROKER_TROUBLE, DatabaseUnavailable) as error:
                wait_s = _TRY_AGAIN_S
                self._trouble = f"the routing table cannot be written: {error!r}"
                log.warning("the routing table is not written", error=repr(error))
            with suppress(TimeoutError):
                async with asyncio.timeout(wait_s):
                    await self._wake.wait()

    async def reconcile(self, jetstream: JetStreamContext) -> set[str]:
        """Write what differs, and nothing else. Keys that this version does not know are left alone.

        Raises KeyWrongLastSequenceError when another replica wrote meanwhile.
        """
        bucket = await _bucket(jetstream)
        # The bucket first, then the database: what was committed after this look at the bucket moves its revision,
        # and the conditional write below fails instead of putting an older route over a newer one.
        entries = {key: await _entry(bucket, key) for key in _KEYS}
        table = await self._read()
        changed = set()
        for key, entry in entries.items():
            route = table.get(key)
            wanted = None if route is None else route.model_dump_json().encode()
            if wanted != (None if entry is None else entry.value):
                await _write(bucket, key, wanted, entry)
                changed.add(key)
        return changed


async def _bucket(jetstream: JetStreamContext) -> KeyValue:
    """The bucket, made if it is not there: a new broker, or one that lost its disk."""
    try:
        return await jetstream.key_value(ROUTES_BUCKET)
    except nats.js.errors.BucketNotFoundError:
        return await jetstream.create_key_value(bucket=ROUTES_BUCKET, history=1)


async def _entry(bucket: KeyValue, key: str) -> KeyValue.Entry | None:
    try:
        return await bucket.get(key)
    except nats.js.errors.KeyNotFoundError:
        return None


async def _write(bucket: KeyValue, key: str, value: bytes | None, entry: KeyValue.Entry | None) -> None:
    """Put, replace or delete, unless the key was written since ``entry`` was read."""
    if entry is None:
        assert value is not None
        await bucket.create(key, value)
    elif value is None:
        await bucket.delete(key, last=entry.revision)
    else:
        await bucket.update(key, value, last=entry.revision)


class RoutesWatcher:
    """A copy of the table that follows the bucket.

    It survives reconnects and a broker that lost its disk: a route stays as last seen until the bucket says
    otherwise, and an empty bucket says nothing. A bucket that was filled anew without a route says that it is gone.
    """

    def __init__(self) -> None:
        self._table: dict[str, Route] = {}
        self._heard_of: set[str] = set()  # since the bucket was opened last
        self._open_again = asyncio.Event()
        self._found = False

    @classmethod
    def of(cls, service: Service) -> Self:
        """A watcher that runs with ``service``: filled before the first message, ready once there is a table."""
        watcher = cls()
        service.resource(watcher.filled)
        service.background(lambda running: watcher.follow(running.jetstream))
        service.on_reconnect.append(watcher.open_again)
        service.health.add("routes", watcher.trouble)
        return watcher

    def resolve(self, artifact_type: ArtifactType) -> Route | None:
        """The route of the type, or the default one made this type's."""
        route = self._table.get(artifact_type) or self._table.get(DEFAULT_ROUTE)
        if route is None or route.artifact_type == artifact_type:
            return route
        return route.model_copy(update={"artifact_type": artifact_type})

    def resolve_default(self) -> Route | None:
        """For what has no artifact type."""
        return self._table.get(DEFAULT_ROUTE)

    async def trouble(self) -> str | None:
        return None if self._found else "no routing table yet: the registry makes it when it starts"

    def open_again(self) -> None:
        """The connection was lost: changes may have been missed."""
        self._open_again.set()

    @asynccontextmanager
    async def filled(self, running: Running) -> AsyncIterator[None]:
        """Take what is in the bucket now, if there is one."""
        with suppress(nats.js.errors.BucketNotFoundError):
            bucket = await running.jetstream.key_value(ROUTES_BUCKET)
            for key in _KEYS:
                entry = await _entry(bucket, key)
                if entry is not None:
                    self._take(key, entry.value or b"")
            self._found = True
        yield

    async def follow(self, jetstream: JetStreamContext) -> None:
        """Until cancelled."""
        while True:
            self._open_again.clear()
            try:
                await self._watch(jetstream)
            except BROKER_TROUBLE as error:
                log.debug("looking for the routes", reason=repr(error))
                with suppress(TimeoutError):
                    async with asyncio.timeout(_TRY_AGAIN_S):
                        await self._open_again.wait()

    async def _watch(self, jetstream: JetStreamContext) -> None:
        """Apply the last value of every key, then each change, until the connection was lost.

        Raises NotFoundError when the broker has no bucket, or no longer has our consumer. (nats-py's own KeyWatcher
        never says so: it waits for ever.)
        """
        config = api.ConsumerConfig(
            deliver_policy=api.DeliverPolicy.LAST_PER_SUBJECT, ack_policy=api.AckPolicy.NONE, mem_storage=True
        )
        self._heard_of.clear()
        consumer = await jetstream.subscribe(
            f"{_KEY_PREFIX}>", stream=_STREAM, config=config, cb=self._heard, inactive_threshold=60.0
        )
        self._found = True
        try:
            while not self._open_again.is_set():
                with suppress(TimeoutError):
                    async with asyncio.timeout(_LOOK_EVERY_S):
                        await self._open_again.wait()
                    return
                await consumer.consumer_info()
                self._drop_what_is_gone()
        finally:
            with suppress(*BROKER_TROUBLE):
                await consumer.unsubscribe()

    async def _heard(self, message: Msg) -> None:
        key = message.subject.removeprefix(_KEY_PREFIX)
        self._heard_of.add(key)
        if (message.headers or {}).get(KV_OP) in (KV_DEL, KV_PURGE):
            self._drop(key)
        else:
            self._take(key, message.data)

    def _drop_what_is_gone(self) -> None:
        """Whoever fills a new bucket has done so by the first look; of what was removed before, no word is left."""
        if self._heard_of:
            for key in self._table.keys() - self._heard_of:
                self._drop(key)

    def _take(self, key: str, value: bytes) -> None:
        if key not in _KEYS:
            return  # of a newer version: there is nothing here that would ask for it
        try:
            route = Route.model_validate_json(value)
        except ValidationError as error:
            log.error("a route that cannot be read is left as it was", key=key, error=str(error))
            return
        if route.artifact_type != key:
            log.error("a route under another's key is left out", key=key, artifact_type=route.artifact_type)
        elif self._table.get(key) != route:
            self._table[key] = route
            log.info("route", artifact_type=key, model=route.model, version=route.version)

    def _drop(self, key: str) -> None:
        if self._table.pop(key, None) is not None:
            log.info("route removed", artifact_type=key)
