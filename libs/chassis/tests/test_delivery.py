"""Delivery on a real nats-server: what is accepted is handled, once, whatever goes wrong."""

import asyncio
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import nats
import pytest
from counting.app import Counted, count, counting_service, settings, troubles
from nats.aio.msg import Msg
from running import started, until
from sqlmodel.ext.asyncio.session import AsyncSession

from hone_chassis import Outcome, Permanent, ProgressPublisher, Service, Transient, announce
from hone_chassis.dead_letters import Cemetery
from hone_contracts.artifacts import ArtifactType
from hone_contracts.generation import GenerateArtifact
from hone_contracts.ids import new_id
from hone_contracts.job_messages import JobCancelled
from hone_contracts.messages import Message

pytestmark = pytest.mark.slow


def a_command(**more: Any) -> GenerateArtifact:
    fields: dict[str, Any] = {"correlation_id": new_id("job"), "artifact_type": ArtifactType.MERMAID_ERD}
    return GenerateArtifact(**(fields | {"requirements": "A member has loans."} | more))


async def send(service: Service, *messages: Message) -> None:
    async with service.database.write() as session:
        announce(session, *messages)


async def publish(service: Service, message: Message) -> None:
    """As another sender would, past our own outbox and the broker's deduplication."""
    await service.running.jetstream.publish(message.subject, message.model_dump_json().encode())


def counts(service: Service) -> None:
    async def handle(message: GenerateArtifact, session: AsyncSession) -> Iterable[Message]:
        session.add(Counted(job=message.correlation_id))
        return [JobCancelled.caused_by(message)]

    service.handles(GenerateArtifact, handle)


async def test_a_message_redelivered_after_the_commit_has_one_effect(
    nats_server: Any, database_url: str, tmp_path: Path
) -> None:
    service = counting_service(settings(nats_server.url, database_url, tmp_path))
    counts(service)
    async with started(service):
        message = a_command()
        for _ in range(5):
            await publish(service, message)
        last = a_command()
        await publish(service, last)

        jetstream = service.running.jetstream

        async def all_acknowledged() -> bool:
            return (await jetstream.stream_info("HONE_COMMANDS")).state.messages == 0

        async def announced() -> bool:
            return (await jetstream.stream_info("HONE_EVENTS")).state.messages >= 2

        await until(all_acknowledged)
        await until(announced)
        assert await count(service) == 2
        assert (await jetstream.stream_info("HONE_EVENTS")).state.messages == 2


async def test_who_only_listens_does_not_answer(nats_server: Any, database_url: str, tmp_path: Path) -> None:
    """Whoever publishes to a stream waits for its acknowledgement, and takes the first answer for it."""
    service = counting_service(settings(nats_server.url, database_url, tmp_path))
    heard: list[bytes] = []
    answers: list[bytes] = []

    async def listen(body: bytes) -> None:
        heard.append(body)

    async def answered(message: Msg) -> None:
        answers.append(message.data)

    service.hears(JobCancelled.subject, listen)
    async with started(service):
        client = service.running.client
        inbox = client.new_inbox()
        await client.subscribe(inbox, cb=answered)
        await client.publish(JobCancelled.subject, b"news", reply=inbox)

        async def both_came() -> bool:
            await client.flush()
            return bool(heard) and bool(answers)

        await until(both_came)  # what came second would have come by now
        assert [b"stream" in answer for answer in answers] == [True]


async def test_what_the_outbox_holds_is_published_when_the_broker_comes_back(
    nats_server: Any, database_url: str, tmp_path: Path
) -> None:
    service = counting_service(settings(nats_server.url, database_url, tmp_path))
    counts(service)
    async with started(service):
        nats_server.kill()
        await send(service, *(a_command() for _ in range(20)))
        nats_server.start()

        async def all_handled() -> bool:
            return await count(service) == 20

        await until(all_handled)


async def test_losing_the_brokers_disk_loses_no_message(
    nats_server: Any, database_url: str, tmp_path: Path
) -> None:
    sender = counting_service(settings(nats_server.url, database_url, tmp_path), "sender")
    async with started(sender):
        await send(sender, *(a_command() for _ in range(5)))

        async def taken() -> bool:
            state = (await sender.running.jetstream.stream_info("HONE_COMMANDS")).state
            return state.messages == 5

        await until(taken)
        nats_server.kill()
        nats_server.lose_disk()
        nats_server.start()
        receiver = counting_service(settings(nats_server.url, database_url, tmp_path), "receiver")
        counts(receiver)
        async with started(receiver):

            async def all_handled() -> bool:
                return await count(receiver) == 5

            await until(all_handled)


async def test_a_transient_failure_is_tried_again_after_a_delay(
    nats_server: Any, database_url: str, tmp_path: Path
) -> None:
    service = counting_service(settings(nats_server.url, database_url, tmp_path))
    tries: list[float] = []

    async def handle(message: GenerateArtifact, session: AsyncSession) -> Iterable[Message]:
        tries.append(asyncio.get_running_loop().time())
        session.add(Counted(job=message.correlation_id))
        if len(tries) < 3:
            raise Transient("busy", "Busy", "come back")
        return ()

    service.handles(GenerateArtifact, handle)
    async with started(service):
        await send(service, a_command())

        async def handled() -> bool:
            return await count(service) == 1

        await until(handled)
    assert len(tries) == 3
    assert tries[1] - tries[0] >= 0.05
    assert tries[2] - tries[1] >= 0.1


@pytest.mark.parametrize(
    ("error", "code", "deliveries"),
    [
        (Permanent("no_model", "No such model", "add it with `hone hub add`"), "no_model", 1),
        (Transient("busy", "Busy", "later"), "busy", 3),
        (ZeroDivisionError("a bug"), "internal", 3),
    ],
)
async def test_a_message_that_cannot_be_handled_becomes_a_dead_letter_with_the_reason(
    nats_server: Any, database_url: str, tmp_path: Path, error: Exception, code: str, deliveries: int
) -> None:
    service = counting_service(settings(nats_server.url, database_url, tmp_path))
    tries = []

    async def handle(message: GenerateArtifact, session: AsyncSession) -> Iterable[Message]:
        tries.append(message)
        raise error

    service.handles(GenerateArtifact, handle)
    async with started(service):
        message = a_command()
        await send(service, message)
        cemetery = Cemetery(service.running.jetstream)

        async def buried() -> bool:
            return bool(await cemetery.newest(10))

        await until(buried)
        (letter,) = await cemetery.newest(10)
        commands = await service.running.jetstream.stream_info("HONE_COMMANDS")
    assert (letter.reason.code, letter.job_id, len(tries)) == (code, message.correlation_id, deliveries)
    assert GenerateArtifact.model_validate_json(letter.body) == message
    assert commands.state.messages == 0


async def test_a_message_that_does_not_fit_its_contract_is_a_dead_letter_at_once(
    nats_server: Any, database_url: str, tmp_path: Path
) -> None:
    service = counting_service(settings(nats_server.url, database_url, tmp_path))
    counts(service)
    async with started(service):
        for body in (b"not json", b'{"artifact_type": "mermaid_erd"}', b"\xff\xfe"):
            await service.running.jetstream.publish(GenerateArtifact.subject, body)
        cemetery = Cemetery(service.running.jetstream)

        async def buried() -> bool:
            return len(await cemetery.newest(10)) == 3

        await until(buried)
        assert {letter.reason.code for letter in await cemetery.newest(10)} == {"bad_message"}
        assert await count(service) == 0


async def test_long_work_is_not_given_to_another_worker_while_it_lasts(
    nats_server: Any, database_url: str, tmp_path: Path
) -> None:
    service = counting_service(settings(nats_server.url, database_url, tmp_path, ack_wait_s=0.6))
    attempts = []

    async def work(message: GenerateArtifact, progress: ProgressPublisher) -> Outcome:
        attempts.append(progress.attempt)
        await asyncio.sleep(2.0)  # more than three times the wait for an acknowledgement
        return Outcome(write=lambda session: _add(session, message))

    service.works_on(GenerateArtifact, work, parallel=2)
    async with started(service):
        await send(service, a_command())

        async def handled() -> bool:
            return await count(service) == 1

        await until(handled)
    assert attempts == [1]


async def test_work_cut_off_by_a_stop_is_handed_back_at_once(
    nats_server: Any, database_url: str, tmp_path: Path
) -> None:
    slow = counting_service(settings(nats_server.url, database_url, tmp_path, ack_wait_s=600))
    begun = asyncio.Event()

    async def never_ends(message: GenerateArtifact, progress: ProgressPublisher) -> Outcome:
        begun.set()
        await asyncio.Event().wait()
        return Outcome()

    slow.works_on(GenerateArtifact, never_ends)
    async with started(slow):
        await send(slow, a_command())
        await begun.wait()
    next_start = counting_service(settings(nats_server.url, database_url, tmp_path, ack_wait_s=600))
    counts(next_start)
    async with started(next_start):

        async def handled() -> bool:
            return await count(next_start) == 1

        await until(handled)


async def test_a_superseded_worker_cannot_write_its_result(
    nats_server: Any, database_url: str, tmp_path: Path
) -> None:
    """Two workers hold the same message; the second to finish changes nothing."""
    service = counting_service(settings(nats_server.url, database_url, tmp_path))
    both = asyncio.Barrier(2)

    async def work(message: GenerateArtifact, progress: ProgressPublisher) -> Outcome:
        await both.wait()
        return Outcome([JobCancelled.caused_by(message)], lambda session: _add(session, message))

    service.works_on(GenerateArtifact, work, parallel=2)
    async with started(service):
        message = a_command()
        await publish(service, message)
        await publish(service, message)

        async def both_acknowledged() -> bool:
            return (await service.running.jetstream.stream_info("HONE_COMMANDS")).state.messages == 0

        await until(both_acknowledged)
        assert await count(service) == 1


async def _add(session: AsyncSession, message: Message) -> None:
    session.add(Counted(job=message.correlation_id))


async def test_a_service_whose_consumer_vanished_says_it_is_not_ready_and_mends_it(
    nats_server: Any, database_url: str, tmp_path: Path
) -> None:
    service = counting_service(settings(nats_server.url, database_url, tmp_path))
    counts(service)
    async with started(service) as url:
        assert await troubles(url) == {}
        durable = service.consumers[0].durable
        await service.running.jetstream.delete_consumer("HONE_COMMANDS", durable)
        assert durable in (await troubles(url))["consumers"]

        async def mended() -> bool:
            return await troubles(url) == {}

        await until(mended)
        await send(service, a_command())

        async def handled() -> bool:
            return await count(service) == 1

        await until(handled)


async def test_changed_consumer_settings_are_applied(
    nats_server: Any, database_url: str, tmp_path: Path
) -> None:
    for ack_wait_s in (7.0, 9.0):
        service = counting_service(settings(nats_server.url, database_url, tmp_path, ack_wait_s=ack_wait_s))
        counts(service)
        async with started(service):
            consumer = service.consumers[0]
            info = await service.running.jetstream.consumer_info(consumer.stream, consumer.durable)
            assert info.config.ack_wait == ack_wait_s


async def test_a_job_is_told_of_while_it_is_worked_on(
    nats_server: Any, database_url: str, tmp_path: Path
) -> None:
    service = counting_service(settings(nats_server.url, database_url, tmp_path))

    async def work(message: GenerateArtifact, progress: ProgressPublisher) -> Outcome:
        await progress("reading", "passage 1 of 2", done=1, total=2)
        await progress.token("reading", "[{")
        return Outcome(write=lambda session: _add(session, message))

    service.works_on(GenerateArtifact, work)
    async with started(service):
        told: asyncio.Queue[bytes] = asyncio.Queue()
        watcher = await nats.connect(nats_server.url)

        async def hear(message: Msg) -> None:
            await told.put(message.data)

        await watcher.subscribe("hone.progress.*", cb=hear)
        await watcher.flush()
        await send(service, a_command())
        async with asyncio.timeout(60):
            first, second = await told.get(), await told.get()
        await watcher.close()
    assert b'"sequence":1000001' in first
    assert b'"kind":"token"' in second
