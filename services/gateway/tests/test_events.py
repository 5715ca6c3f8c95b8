"""A job's event stream: resumable, bounded, and sure to end with the job."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import httpx
from hypothesis import given
from hypothesis import strategies as st
from playing import Gateway, generated, next_command, publish, running, settings
from running import until

from hone_chassis import ProgressPublisher
from hone_contracts.errors import ErrorBody
from hone_contracts.generation import GenerateArtifact, GenerationFailed
from hone_contracts.messages import JobProgressed
from hone_gateway import metrics
from hone_gateway.jobs.book import JobBook
from hone_gateway.jobs.feeds import Feed, Feeds


@dataclass(frozen=True)
class Event:
    name: str
    id: int | None
    data: dict[str, Any]


class Stream:
    """Events of an open stream; comments are counted."""

    def __init__(self, response: httpx.Response) -> None:
        self.comments = 0
        self._lines = response.aiter_lines()

    def __aiter__(self) -> "Stream":
        return self

    async def __anext__(self) -> Event:
        fields: dict[str, str] = {}
        async for line in self._lines:
            if line.startswith(":"):
                self.comments += 1
            elif line:
                name, _, value = line.partition(": ")
                fields[name] = value
            elif fields:
                number = int(fields["id"]) if "id" in fields else None
                return Event(fields["event"], number, json.loads(fields["data"]))
        raise StopAsyncIteration


@asynccontextmanager
async def watching(gateway: Gateway, job_id: str, last_seen: int | None = None) -> AsyncIterator[Stream]:
    headers = {} if last_seen is None else {"Last-Event-ID": str(last_seen)}
    async with gateway.http.stream("GET", f"/api/jobs/{job_id}/events", headers=headers) as response:
        assert response.headers["content-type"] == "text/event-stream; charset=utf-8"
        yield Stream(response)


async def working(gateway: Gateway) -> tuple[GenerateArtifact, ProgressPublisher]:
    await gateway.accepted()
    command = await next_command(gateway.jetstream)
    return command, ProgressPublisher(gateway.client, command, 1)


async def test_a_watcher_sees_the_work_and_the_end(gateway: Gateway) -> None:
    command, progress = await working(gateway)
    async with watching(gateway, command.correlation_id) as events:
        first = await anext(events)
        assert (first.name, first.data["state"]) == ("snapshot", "queued")
        await progress("reading", done=1, total=3)
        told = await anext(events)
        assert (told.name, told.id) == ("progress", 1_000_001)
        assert (told.data["stage"], told.data["done"], told.data["total"]) == ("reading", 1, 3)
        await progress.token("writing", "erDia")
        assert (await anext(events)).data == {"attempt": 1, "stage": "writing", "token": "erDia"}
        await publish(gateway.jetstream, generated(command))
        rest = [event async for event in events]
    assert [event.name for event in rest] == ["done"]
    assert rest[0].data == await gateway.job(command.correlation_id)
    assert rest[0].data["state"] == "succeeded"


async def test_the_job_row_follows_the_work(gateway: Gateway) -> None:
    command, progress = await working(gateway)
    await progress("reading", "passage 2", done=2, total=3)
    job = await gateway.job_in(command.correlation_id, "running")
    assert job["progress"] == {
        "stage": "reading", "message": "passage 2", "done": 2, "total": 3, "sequence": 1_000_001,
    }  # fmt: skip
    second = ProgressPublisher(gateway.client, command, 2)
    await second("reading")

    async def rows() -> Any:  # past what is only in memory
        return (await gateway.http.get("/api/jobs?state=running")).json()["jobs"]

    found = await until(rows, lambda jobs: bool(jobs) and jobs[0]["attempt"] == 2)
    assert found[0]["id"] == command.correlation_id


async def test_a_watcher_who_comes_back_gets_what_it_missed(gateway: Gateway) -> None:
    command, progress = await working(gateway)
    async with watching(gateway, command.correlation_id) as events:
        await anext(events)
        await progress("one")
        last = await anext(events)
    for stage in ("two", "three"):
        await progress(stage)
    async with watching(gateway, command.correlation_id, last.id) as events:
        missed = [await anext(events) for _ in range(2)]
    assert [(event.name, event.data["stage"]) for event in missed] == [
        ("progress", "two"),
        ("progress", "three"),
    ]


async def test_a_gateway_that_restarted_shows_the_row_first(nats_server: Any, database_url: str) -> None:
    chosen = settings(nats_server.url, database_url)
    async with running(chosen) as gateway:
        command, progress = await working(gateway)
        await progress("reading", done=5, total=9)

        async def written() -> Any:
            return (await gateway.http.get("/api/jobs?state=running")).json()["jobs"]

        await until(written)
    async with running(chosen) as gateway:
        progress = ProgressPublisher(gateway.client, command, 1)
        async with watching(gateway, command.correlation_id, 1_000_001) as events:
            first = await anext(events)
            assert (first.name, first.data["state"], first.data["progress"]["done"]) == (
                "snapshot",
                "running",
                5,
            )
            await publish(gateway.jetstream, generated(command))
            assert [event.name async for event in events] == ["done"]


async def test_a_job_that_has_ended_says_so_at_once(gateway: Gateway) -> None:
    job_id = await gateway.accepted()
    cancelled = (await gateway.http.post(f"/api/jobs/{job_id}/cancel")).json()
    for last_seen in (None, 1_000_007):
        async with watching(gateway, job_id, last_seen) as events:
            assert [(event.name, event.data) async for event in events] == [("done", cancelled)]


async def test_a_job_that_another_replica_ended_is_noticed(nats_server: Any, database_url: str) -> None:
    async with running(settings(nats_server.url, database_url)) as gateway:
        command, _ = await working(gateway)
        async with watching(gateway, command.correlation_id) as events:
            assert (await anext(events)).name == "snapshot"
            elsewhere = JobBook(ended=lambda _job_id: None)
            async with gateway.service.database.write() as session:
                await elsewhere.fail(
                    session, command.correlation_id, ErrorBody(code="x", title="t", detail="d")
                )
            rest = [event async for event in events]
        assert [(event.name, event.data["state"]) for event in rest] == [("done", "failed")]


async def test_a_silent_stream_says_that_it_lives(nats_server: Any, tmp_path: Any) -> None:
    url = f"sqlite+aiosqlite:///{tmp_path / 'one.db'}"
    async with running(settings(nats_server.url, url, events_heartbeat_s=0.3, events_poll_s=0.1)) as gateway:
        command, progress = await working(gateway)
        async with watching(gateway, command.correlation_id) as events:
            await anext(events)

            async def heartbeats() -> None:
                async for _ in events:
                    return

            waiting = asyncio.create_task(heartbeats())

            async def comments() -> int:
                return events.comments

            await until(comments, lambda count: count >= 2)
            await progress("reading")
            await waiting


async def test_a_stop_lets_watchers_go(nats_server: Any, tmp_path: Any) -> None:
    url = f"sqlite+aiosqlite:///{tmp_path / 'one.db'}"
    started = running(settings(nats_server.url, url, graceful_timeout_s=600))
    gateway = await started.__aenter__()
    job_id = await gateway.accepted()
    async with watching(gateway, job_id) as events:
        await anext(events)
        async with asyncio.timeout(60):
            stopping = asyncio.create_task(started.__aexit__(None, None, None))
            assert [event async for event in events] == []
    await stopping


async def test_a_watcher_who_left_is_not_kept(sqlite_gateway: Gateway) -> None:
    async def streams() -> float:
        [family] = metrics.EVENT_STREAMS.collect()
        return family.samples[0].value

    job_id = await sqlite_gateway.accepted()
    before = await streams()
    async with watching(sqlite_gateway, job_id) as events:
        await anext(events)
        assert await streams() == before + 1
    await until(streams, lambda count: count == before)


def told(sequence: int, kind: str = "token", text: str = "x") -> JobProgressed:
    fields: dict[str, Any] = {"kind": kind, "stage": "s", "token": text if kind == "token" else None}
    job = "job_" + "0" * 26
    return JobProgressed(
        correlation_id=job, sequence=sequence, attempt=max(1, sequence // 1_000_000), **fields
    )


@given(st.lists(st.integers(1, 3_000), max_size=1_500), st.integers(0, 3_000))
def test_a_feed_stays_bounded_and_in_order_whatever_it_is_told(sequences: list[int], seen: int) -> None:
    feed = Feed()
    for sequence in sequences:
        feed.take(told(sequence, "token" if sequence % 3 else "progress", f"<{sequence}>"))
    shown = feed.since(seen)
    assert [each.sequence for each in shown] == sorted({each.sequence for each in shown})
    assert all(each.sequence > seen for each in shown)
    assert len(shown) <= 512


def test_a_slow_reader_gets_tokens_joined_and_knows_when_it_missed_some() -> None:
    feed = Feed()
    for number in range(1, 101):
        feed.take(told(number, text=f"{number} "))
    [joined] = feed.since(40)
    assert (joined.sequence, joined.token) == (100, "".join(f"{number} " for number in range(41, 101)))
    for number in range(101, 200):
        feed.take(told(number, text="y" * 1024))
    assert feed.evicted_to > 100
    assert sum(len(each.token or "") for each in feed.since(0)) <= 64 * 1024
    assert not feed.knows_all_since(40)
    assert feed.knows_all_since(feed.evicted_to)


def test_feeds_of_many_jobs_stay_bounded_but_for_those_that_are_watched() -> None:
    feeds = Feeds()
    with feeds.watch("job_watched") as watched:
        for number in range(1, 3_000):
            message = told(1).model_copy(update={"correlation_id": f"job_{number}"})
            feeds.take(message)
        assert feeds.peek("job_watched") is watched
        assert feeds.peek("job_1") is None
        assert feeds.peek("job_2999") is not None
    assert feeds.peek("job_watched") is None


async def test_progress_that_is_none_disturbs_nobody(sqlite_gateway: Gateway) -> None:
    gateway = sqlite_gateway
    command, progress = await working(gateway)
    for body in (b"", b"{}", b"\xff", b"[" * 9999):
        await gateway.client.publish(f"hone.progress.{command.correlation_id}", body)
    await progress("reading")
    await gateway.job_in(command.correlation_id, "running")
    await publish(
        gateway.jetstream,
        GenerationFailed.caused_by(command, error=ErrorBody(code="x", title="t", detail="d")),
    )
    await gateway.job_in(command.correlation_id, "failed")
    await progress("too late")
    await gateway.client.flush()
    assert (await gateway.job(command.correlation_id))["state"] == "failed"
