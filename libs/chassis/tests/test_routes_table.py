"""The routing table on a real nats-server: the writer's truth wins, watchers follow, a lost disk is refilled."""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from types import SimpleNamespace
from typing import Any

import nats
import nats.js.errors
import pytest
from nats.js import JetStreamContext
from running import until

from hone_chassis.errors import DatabaseUnavailable
from hone_chassis.routes_table import RoutesWatcher, RoutesWriter, RoutingTable
from hone_chassis.tasks import end
from hone_contracts.artifacts import ArtifactType
from hone_contracts.registry import Route, RouteKey

ERD, SQL = ArtifactType.MERMAID_ERD, ArtifactType.SQL_DDL


def route(artifact_type: RouteKey, version: int = 1) -> Route:
    return Route(artifact_type=artifact_type, model="llamacpp:hone-starter", version=version)


class Truth:
    """Stands for the writer's database."""

    def __init__(self, *routes: Route) -> None:
        self.table: RoutingTable = {each.artifact_type: each for each in routes}

    async def read(self) -> RoutingTable:
        return self.table


@asynccontextmanager
async def connected(url: str, *on_reconnect: Callable[[], None]) -> AsyncIterator[JetStreamContext]:
    async def reconnected() -> None:
        for tell in on_reconnect:
            tell()

    client = await nats.connect(
        url, max_reconnect_attempts=-1, reconnect_time_wait=0.05, reconnected_cb=reconnected
    )
    yield client.jetstream()
    await client.close()


@asynccontextmanager
async def running(*work: Awaitable[None]) -> AsyncIterator[None]:
    tasks = [asyncio.ensure_future(each) for each in work]
    yield
    await end(tasks)


async def puts(jetstream: JetStreamContext) -> int:
    """How many times the bucket was written to."""
    return (await jetstream.stream_info("KV_hone_routes")).state.last_seq


async def test_a_watcher_sees_what_was_written_before_it_came_and_each_change_after(nats_server: Any) -> None:
    truth, watcher = Truth(route(ERD)), RoutesWatcher()
    writer = RoutesWriter(truth.read)
    async with connected(nats_server.url) as jetstream:
        assert await writer.reconcile(jetstream) == {ERD}
        async with running(watcher.follow(jetstream)):
            await until(lambda: watcher.resolve(ERD) == route(ERD))
            truth.table = {ERD: route(ERD, 2), SQL: route(SQL)}
            await writer.reconcile(jetstream)
            await until(lambda: watcher.resolve(ERD) == route(ERD, 2) and watcher.resolve(SQL) == route(SQL))
            truth.table = {ERD: route(ERD, 2)}
            await writer.reconcile(jetstream)
            await until(lambda: watcher.resolve(SQL) is None)
            truth.table = {ERD: route(ERD, 2), SQL: route(SQL, 3)}
            await writer.reconcile(jetstream)
            await until(lambda: watcher.resolve(SQL) == route(SQL, 3))


async def test_a_type_without_a_route_has_the_default_one(nats_server: Any) -> None:
    truth, watcher = Truth(route("default"), route(ERD, 2)), RoutesWatcher()
    writer = RoutesWriter(truth.read)
    async with connected(nats_server.url) as jetstream, running(watcher.follow(jetstream)):
        await writer.reconcile(jetstream)
        await until(lambda: watcher.resolve(ERD) == route(ERD, 2) and watcher.resolve(SQL) == route(SQL))
        assert watcher.resolve_default() == route("default")
        truth.table = {"default": route("default", 3)}
        await writer.reconcile(jetstream)
        await until(lambda: watcher.resolve(ERD) == route(ERD, 3))
        truth.table = {ERD: route(ERD)}
        await writer.reconcile(jetstream)
        await until(lambda: watcher.resolve_default() is None and watcher.resolve(SQL) is None)


async def test_a_route_of_the_first_version_is_understood_and_then_written_anew(nats_server: Any) -> None:
    truth, watcher = Truth(route(ERD)), RoutesWatcher()
    old = {
        "artifact_type": "mermaid_erd", "model": "ollama:a", "model_uri": None, "model_sha256": None, "version": 1,
        "reading": "whole", "threshold": 60, "timeout_s": 7.5, "temperature": 0.0,
    }  # fmt: skip
    async with connected(nats_server.url) as jetstream, running(watcher.follow(jetstream)):
        bucket = await jetstream.create_key_value(bucket="hone_routes")
        await bucket.put(ERD.value, json.dumps(old).encode())
        read = await until(lambda: watcher.resolve(ERD))
        assert read is not None
        assert (read.model, read.limits.total_s, read.attempts_per_model) == ("ollama:a", 7.5, 3)
        assert await RoutesWriter(truth.read).reconcile(jetstream) == {ERD}
        await until(lambda: watcher.resolve(ERD) == route(ERD))


async def test_a_route_removed_while_the_broker_was_gone_disappears(
    nats_server: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("hone_chassis.routes_table._LOOK_EVERY_S", 0.3)
    truth, watcher = Truth(route(ERD), route(SQL)), RoutesWatcher()
    writer = RoutesWriter(truth.read)
    async with (
        connected(nats_server.url) as jetstream,
        running(writer.run(jetstream), watcher.follow(jetstream)),
    ):
        await until(lambda: watcher.resolve(ERD) is not None and watcher.resolve(SQL) is not None)
        truth.table = {ERD: route(ERD)}
        await jetstream.delete_key_value("hone_routes")
        await until(lambda: watcher.resolve(SQL) is None)
        assert watcher.resolve(ERD) == route(ERD)


async def test_a_route_that_did_not_change_is_not_written_again(nats_server: Any) -> None:
    truth = Truth(route(ERD), route(SQL))
    writer = RoutesWriter(truth.read)
    async with connected(nats_server.url) as jetstream:
        assert await writer.reconcile(jetstream) == {ERD, SQL}
        assert await writer.reconcile(jetstream) == set()
        truth.table = {ERD: route(ERD), SQL: route(SQL, 2)}
        assert await writer.reconcile(jetstream) == {SQL}
        assert await puts(jetstream) == 3


async def test_a_writer_who_read_too_early_cannot_put_an_old_route_over_a_new_one(nats_server: Any) -> None:
    new = RoutesWriter(Truth(route(ERD, 2)).read)
    async with connected(nats_server.url) as jetstream:
        await RoutesWriter(Truth(route(ERD, 0)).read).reconcile(jetstream)

        async def read_what_is_old_by_the_time_it_is_written() -> RoutingTable:
            await new.reconcile(jetstream)
            return {ERD: route(ERD, 1)}

        with pytest.raises(nats.js.errors.KeyWrongLastSequenceError):
            await RoutesWriter(read_what_is_old_by_the_time_it_is_written).reconcile(jetstream)
        assert await new.reconcile(jetstream) == set()


async def test_after_the_broker_lost_its_disk_the_routes_are_back_and_were_never_gone_for_a_watcher(
    nats_server: Any,
) -> None:
    truth, watcher, seen_empty = Truth(route(ERD)), RoutesWatcher(), []
    writer = RoutesWriter(truth.read)
    async with connected(nats_server.url, writer.wake, watcher.open_again) as jetstream:
        async with running(writer.run(jetstream), watcher.follow(jetstream)):
            await until(lambda: watcher.resolve(ERD) is not None)
            nats_server.kill()
            nats_server.lose_disk()
            seen_empty.append(watcher.resolve(ERD) is None)
            nats_server.start()
            truth.table = {ERD: route(ERD, 2), SQL: route(SQL)}
            writer.wake()

            def followed() -> bool:
                seen_empty.append(watcher.resolve(ERD) is None)
                return watcher.resolve(ERD) == route(ERD, 2) and watcher.resolve(SQL) == route(SQL)

            await until(followed)
        assert not any(seen_empty)
        assert await puts(jetstream) == 2


async def test_a_bucket_that_was_deleted_is_made_again_without_a_reconnect(
    nats_server: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("hone_chassis.routes_table._LOOK_EVERY_S", 0.05)
    truth, watcher = Truth(route(ERD)), RoutesWatcher()
    writer = RoutesWriter(truth.read)
    async with (
        connected(nats_server.url) as jetstream,
        running(writer.run(jetstream), watcher.follow(jetstream)),
    ):
        await until(lambda: watcher.resolve(ERD) is not None)
        truth.table = {ERD: route(ERD, 2)}
        await jetstream.delete_key_value("hone_routes")
        await until(lambda: watcher.resolve(ERD) == route(ERD, 2))


async def test_a_value_that_is_no_route_leaves_the_last_one_in_place(nats_server: Any) -> None:
    truth, watcher = Truth(route(ERD)), RoutesWatcher()
    writer = RoutesWriter(truth.read)
    async with connected(nats_server.url) as jetstream:
        await writer.reconcile(jetstream)
        async with running(watcher.follow(jetstream)):
            await until(lambda: watcher.resolve(ERD) == route(ERD))
            bucket = await jetstream.key_value("hone_routes")
            await bucket.put(ERD.value, b"{not json")
            await bucket.put("a_type_of_a_newer_version", b"{}")
            await bucket.put("default", route(ERD, 9).model_dump_json().encode())
            await bucket.put(SQL.value, route(SQL).model_dump_json().encode())
            await until(lambda: watcher.resolve(SQL) is not None)
            assert watcher.resolve(ERD) == route(ERD)
            assert watcher.resolve_default() is None
            assert await writer.reconcile(jetstream) == {ERD, SQL, "default"}


async def test_a_watcher_is_filled_at_once_and_says_when_nobody_made_the_table_yet(nats_server: Any) -> None:
    truth = Truth()
    writer = RoutesWriter(truth.read)
    async with connected(nats_server.url) as jetstream:
        watcher = RoutesWatcher()
        service: Any = SimpleNamespace(jetstream=jetstream)
        async with watcher.filled(service):
            assert "registry" in (await watcher.trouble() or "")
        await writer.reconcile(jetstream)
        async with watcher.filled(service):
            assert await watcher.trouble() is None
            assert watcher.resolve(ERD) is None
        truth.table = {ERD: route(ERD)}
        await writer.reconcile(jetstream)
        async with watcher.filled(service):
            assert watcher.resolve(ERD) == route(ERD)


async def test_a_watcher_that_started_before_the_writer_finds_the_table_when_it_is_made(
    nats_server: Any,
) -> None:
    watcher, writer = RoutesWatcher(), RoutesWriter(Truth(route(ERD)).read)
    async with connected(nats_server.url) as jetstream, running(watcher.follow(jetstream)):
        assert await watcher.trouble() is not None
        assert await writer.trouble() is not None
        async with running(writer.run(jetstream)):
            await until(lambda: watcher.resolve(ERD) == route(ERD))
            assert await watcher.trouble() is None
            assert await writer.trouble() is None


async def test_who_waits_for_the_writer_finds_the_bucket_written(nats_server: Any) -> None:
    truth = Truth(route(ERD))
    writer = RoutesWriter(truth.read)
    async with connected(nats_server.url, writer.wake) as jetstream, running(writer.run(jetstream)):
        assert await writer.written(60)
        bucket = await jetstream.key_value("hone_routes")
        for version in range(2, 8):
            truth.table = {ERD: route(ERD, version)}
            assert await writer.written(60)
            assert (await bucket.get(ERD)).value == route(ERD, version).model_dump_json().encode()
        nats_server.kill()
        truth.table = {SQL: route(SQL)}
        assert not await writer.written(0.2)
        nats_server.start()
        assert await writer.written(60)
        assert (await bucket.get(SQL)).value is not None


async def test_a_database_that_is_away_for_a_moment_does_not_end_the_writer(nats_server: Any) -> None:
    table: RoutingTable = {ERD: route(ERD)}
    answers: list[RoutingTable | Exception] = [DatabaseUnavailable("restarting"), table]

    async def read() -> RoutingTable:
        answer = answers.pop(0) if answers else table
        if isinstance(answer, Exception):
            raise answer
        return answer

    writer, watcher = RoutesWriter(read), RoutesWatcher()
    async with (
        connected(nats_server.url) as jetstream,
        running(writer.run(jetstream), watcher.follow(jetstream)),
    ):
        await until(lambda: watcher.resolve(ERD) == route(ERD))
