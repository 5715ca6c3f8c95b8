"""A job ends exactly once, in whatever order and however often its messages come."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from playing import generated
from sqlmodel import col, select

from hone_chassis.database import Database
from hone_chassis.handling import run_short
from hone_chassis.migrations import migrate
from hone_chassis.service import RawMessage
from hone_chassis.tables import OutboxRow
from hone_contracts.artifacts import ArtifactType
from hone_contracts.errors import ErrorBody
from hone_contracts.generation import GenerateArtifact, GenerationFailed
from hone_contracts.ids import new_id
from hone_contracts.job_messages import JobCancelled
from hone_contracts.jobs import ENDED
from hone_contracts.messages import JobProgressed
from hone_gateway.app import HEAD
from hone_gateway.errors import JobEnded
from hone_gateway.jobs.book import JobBook, find, record_progress
from hone_gateway.jobs.outcomes import Outcomes
from hone_gateway.tables import ArtifactRow, JobRow

WHY = ErrorBody(code="x", title="It failed", detail="Because.")

Step = Callable[[], Awaitable[None]]


class World:
    """One job, and everything that can come to it."""

    def __init__(self, database: Database) -> None:
        self.database, self.ended = database, list[str]()
        self.book = JobBook(self.ended.append)
        self.outcomes = Outcomes(self.book, database)
        self.command = GenerateArtifact(
            correlation_id=new_id("job"), artifact_type=ArtifactType.MERMAID_ERD, requirements="A member."
        )
        self.job_id = self.command.correlation_id
        results = [generated(self.command) for _ in range(2)]
        failures = [GenerationFailed.caused_by(self.command, error=WHY) for _ in range(2)]
        self.steps: list[Step] = [
            lambda: run_short(database, "g", results[0], self.outcomes.artifact_generated),
            lambda: run_short(database, "g", results[1], self.outcomes.artifact_generated),
            lambda: run_short(database, "f", failures[0], self.outcomes.generation_failed),
            lambda: run_short(database, "f", failures[1], self.outcomes.generation_failed),
            self.die,
            self.cancel,
            lambda: self.progress(1),
            lambda: self.progress(2),
        ]

    async def accept(self) -> None:
        async with self.database.write() as session:
            await self.book.accept(session, self.command)

    async def die(self) -> None:
        headers = {"correlation_id": self.job_id, "Hone-Reason": WHY.model_dump_json()}
        await self.outcomes.died(RawMessage(f"hone.dead.{self.command.subject}", b"", headers))

    async def cancel(self) -> None:
        try:
            async with self.database.write() as session:
                await self.book.cancel(session, self.job_id, "default")
        except JobEnded as refused:
            assert refused.fields["state"] in {"succeeded", "failed"}

    async def progress(self, attempt: int) -> None:
        told = JobProgressed.caused_by(self.command, sequence=attempt * 10, attempt=attempt, stage="writing")
        async with self.database.write() as session:
            await record_progress(session, [told])

    async def row(self) -> JobRow:
        async with self.database.read() as session:
            return await find(session, self.job_id, "default")

    async def check(self, before: JobRow) -> JobRow:
        """What must hold after any step, given the row before it."""
        row = await self.row()
        if before.state in ENDED:
            assert row.model_dump() == before.model_dump(), "an ended job changed"
        assert row.attempt >= before.attempt
        ended = row.state in ENDED
        assert self.ended == ([self.job_id] if ended else []), "told of its end other than once"
        assert (row.finished_at is not None) == ended
        assert (row.result is not None) == (row.state == "succeeded")
        assert (row.error is not None) == (row.state == "failed")
        assert row.attempt > 0 or row.state not in {"succeeded", "failed"}, "it ended without a try"
        async with self.database.read() as session:
            artifacts = (await session.exec(select(ArtifactRow.id).where(ArtifactRow.job_id == row.id))).all()
            sent = (
                await session.exec(select(OutboxRow).where(OutboxRow.subject == JobCancelled.subject))
            ).all()
        assert artifacts == ([row.result["artifact_id"]] if row.result else [])
        cancellations = [each for each in sent if each.headers["correlation_id"] == row.id]
        assert len(cancellations) == (row.state == "cancelled")
        return row


@pytest.fixture
async def database(database_url: str) -> AsyncIterator[Database]:
    opened = Database(database_url, "gateway")
    await migrate(opened, "hone_gateway", HEAD)
    yield opened
    await opened.aclose()


# Steps of one group race each other.
groups = st.lists(st.lists(st.integers(0, 7), min_size=1, max_size=4), min_size=1, max_size=5)


@given(groups=groups)
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
async def test_a_job_ends_exactly_once_whatever_comes(database: Database, groups: list[list[int]]) -> None:
    world = World(database)
    await world.accept()
    row = await world.row()
    for group in groups:
        await asyncio.gather(*(world.steps[number]() for number in group))
        row = await world.check(row)
    await world.cancel()
    assert (await world.check(row)).state in ENDED


async def test_a_rolled_back_end_is_told_to_nobody(database: Database) -> None:
    world = World(database)
    await world.accept()
    with pytest.raises(ZeroDivisionError):
        async with database.write() as session:
            await world.book.fail(session, world.job_id, WHY)
            raise ZeroDivisionError
    assert world.ended == []
    assert (await world.row()).state == "queued"


async def test_progress_of_many_jobs_is_written_at_once_and_only_forward(database: Database) -> None:
    worlds = [World(database) for _ in range(3)]
    for world in worlds:
        await world.accept()
    told = [
        JobProgressed.caused_by(world.command, sequence=1, attempt=2, stage="reading", done=number, total=3)
        for number, world in enumerate(worlds)
    ]
    async with database.write() as session:
        await record_progress(session, told)
    await worlds[0].progress(1)
    rows = [await world.row() for world in worlds]
    assert [(row.state, row.attempt) for row in rows] == [("running", 2)] * 3
    assert [(row.progress or {})["done"] for row in rows] == [0, 1, 2]
    async with database.read() as session:
        assert len((await session.exec(select(JobRow).where(col(JobRow.state) == "running"))).all()) == 3
