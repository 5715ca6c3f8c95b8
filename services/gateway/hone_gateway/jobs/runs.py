"""Training runs as jobs. A run that a trigger began has no job before it is heard of; whichever message about it
comes first makes one."""

from collections.abc import Iterable
from dataclasses import dataclass

from sqlmodel.ext.asyncio.session import AsyncSession

from hone_contracts.deployment import DeploymentFailed
from hone_contracts.evaluation import EvaluationFailed, VersionJudged
from hone_contracts.messages import Message
from hone_contracts.training import TrainingFailed, TrainingStarted
from hone_gateway.jobs.book import JobBook, JobKind
from hone_gateway.jobs.outcomes import late

_NOTHING: tuple[Message, ...] = ()


@dataclass(frozen=True)
class Runs:
    book: JobBook

    async def started(self, event: TrainingStarted, session: AsyncSession) -> Iterable[Message]:
        await self._begun(event, session)
        return _NOTHING

    async def judged(self, event: VersionJudged, session: AsyncSession) -> Iterable[Message]:
        """The first verdict ends the run; what is seen of the version later changes nothing of that."""
        if event.verdict == "rolled_back":  # said of a version at work, whose run ended long ago
            return _NOTHING
        await self._begun(event, session)
        result = event.model_dump(
            mode="json",
            include={"verdict", "artifact_type", "model", "version", "name", "reasons", "figures"},
        )
        if await self.book.succeed(session, event.correlation_id, result) is None:
            late(event)
        return _NOTHING

    async def failed(
        self, event: TrainingFailed | DeploymentFailed | EvaluationFailed, session: AsyncSession
    ) -> Iterable[Message]:
        await self._begun(event, session)
        if await self.book.fail(session, event.correlation_id, event.error) is None:
            late(event)
        return _NOTHING

    async def _begun(self, event: Message, session: AsyncSession) -> None:
        await self.book.begun(session, event.correlation_id, JobKind.TRAIN, event.tenant)
