"""Progress as its watchers get it: numbered so that a later attempt's sorts after every earlier one's."""

import asyncio
from pathlib import Path
from typing import Any

import nats
from counting.app import counting_service, settings
from nats.aio.msg import Msg
from running import started

from hone_chassis import Outcome, ProgressPublisher, Transient, announce
from hone_contracts import subjects
from hone_contracts.artifacts import ArtifactType
from hone_contracts.generation import GenerateArtifact
from hone_contracts.ids import new_id
from hone_contracts.messages import JobProgressed


async def test_the_progress_of_a_second_attempt_sorts_after_all_of_the_first(
    nats_server: Any, tmp_path: Path
) -> None:
    service = counting_service(
        settings(nats_server.url, f"sqlite+aiosqlite:///{tmp_path / 'test.db'}", tmp_path)
    )

    async def work(message: GenerateArtifact, progress: ProgressPublisher) -> Outcome:
        for _ in range(4 if progress.attempt == 1 else 2):
            await progress("reading")
            await progress.token("reading", "[")
        if progress.attempt == 1:
            raise Transient("busy", "Busy", "come back")
        return Outcome()

    service.works_on(GenerateArtifact, work)
    async with started(service):
        told: asyncio.Queue[JobProgressed] = asyncio.Queue()
        watcher = await nats.connect(nats_server.url)

        async def hear(message: Msg) -> None:
            await told.put(JobProgressed.model_validate_json(message.data))

        await watcher.subscribe(subjects.ALL_PROGRESS, cb=hear)
        await watcher.flush()
        command = GenerateArtifact(
            correlation_id=new_id("job"), artifact_type=ArtifactType.MERMAID_ERD, requirements="A member."
        )
        async with service.database.write() as session:
            announce(session, command)
        async with asyncio.timeout(20):
            heard = [await told.get() for _ in range(12)]
        await watcher.close()
    numbers = [each.sequence for each in heard]
    assert numbers == sorted(set(numbers))
    assert [each.attempt for each in heard] == [1] * 8 + [2] * 4
    assert {each.correlation_id for each in heard} == {command.correlation_id}
