"""How jobs end: what the working services announce, and what nobody could do."""

import json
from collections.abc import Iterable
from dataclasses import dataclass

from sqlmodel.ext.asyncio.session import AsyncSession

from hone_chassis.database import Database
from hone_chassis.dead_letters import reason_of
from hone_chassis.logs import get_logger
from hone_chassis.service import RawMessage
from hone_contracts import subjects
from hone_contracts.generation import ArtifactGenerated, GenerationFailed
from hone_contracts.hub import ConversionFailed, ModelConverted
from hone_contracts.hub_models import AdditionFailed, ModelAdded, ModelRemoved, RemovalFailed
from hone_contracts.messages import Message
from hone_gateway.jobs.book import JobBook
from hone_gateway.tables import ArtifactRow, JobRow

log = get_logger(__name__)

_NOTHING: tuple[Message, ...] = ()


@dataclass(frozen=True)
class Outcomes:
    book: JobBook
    database: Database
    service: str = "gateway"

    async def artifact_generated(self, event: ArtifactGenerated, session: AsyncSession) -> Iterable[Message]:
        job = await self.book.succeed(
            session, event.correlation_id, {"artifact_id": event.artifact.artifact_id}
        )
        if job is None:
            late(event)
        else:
            session.add(_artifact_row(event, job))
        return _NOTHING

    async def generation_failed(self, event: GenerationFailed, session: AsyncSession) -> Iterable[Message]:
        attempts = [attempt.model_dump(mode="json") for attempt in event.attempts]
        more = {"attempts": attempts} if attempts else None
        if await self.book.fail(session, event.correlation_id, event.error, more) is None:
            late(event)
        return _NOTHING

    async def model_converted(self, event: ModelConverted, session: AsyncSession) -> Iterable[Message]:
        result = event.model_dump(mode="json", include={"target_uri", "sha256", "size_bytes", "report"})
        if await self.book.succeed(session, event.correlation_id, result) is None:
            late(event)
        return _NOTHING

    async def model_added(self, event: ModelAdded, session: AsyncSession) -> Iterable[Message]:
        if (
            await self.book.succeed(session, event.correlation_id, event.model.model_dump(mode="json"))
            is None
        ):
            late(event)
        return _NOTHING

    async def model_removed(self, event: ModelRemoved, session: AsyncSession) -> Iterable[Message]:
        result = event.model_dump(mode="json", include={"name", "references", "freed_bytes"})
        if await self.book.succeed(session, event.correlation_id, result) is None:
            late(event)
        return _NOTHING

    async def work_failed(
        self, event: ConversionFailed | AdditionFailed | RemovalFailed, session: AsyncSession
    ) -> Iterable[Message]:
        if await self.book.fail(session, event.correlation_id, event.error) is None:
            late(event)
        return _NOTHING

    async def died(self, letter: RawMessage) -> None:
        """A dead command ends its job. So does a result that this service itself could not take."""
        original = letter.subject.removeprefix(subjects.DEAD_PREFIX)
        ours = letter.headers.get("Hone-Consumer", "").startswith(f"{self.service}-")
        job_id = letter.headers.get("correlation_id")
        if job_id is None or not (original.startswith("hone.command.") or ours):
            return
        async with self.database.write() as session:
            await self.book.fail(session, job_id, reason_of(letter.headers))


def _artifact_row(event: ArtifactGenerated, job: JobRow) -> ArtifactRow:
    artifact = event.artifact
    row = ArtifactRow(
        id=artifact.artifact_id,
        tenant=job.tenant,
        job_id=job.id,
        type=artifact.type,
        model=artifact.model,
        version=artifact.version,
        score=artifact.score,
        accepted=artifact.accepted,
        document="",
    )
    more = {"job_id": job.id, "created_at": row.created_at.isoformat()}
    row.document = json.dumps(artifact.model_dump(mode="json") | more, ensure_ascii=False)
    return row


def late(event: Message) -> None:
    """A job ends once; what comes later is not taken."""
    log.info(
        "a result for a job that has ended, or is not known",
        job_id=event.correlation_id,
        subject=event.subject,
    )
