"""Follows a run through the other services, to its end. Messages that come late or again do nothing."""

from collections.abc import Iterable
from dataclasses import dataclass

from sqlmodel.ext.asyncio.session import AsyncSession

from hone_chassis.cancellations import Cancellations
from hone_contracts.deployment import DeploymentFailed, ModelDeployed
from hone_contracts.evaluation import EvaluationCompleted, EvaluationFailed, VersionJudged
from hone_contracts.job_messages import JobCancelled
from hone_contracts.messages import Message
from hone_trainer.runs import book, ending


@dataclass(frozen=True)
class Following:
    cancellations: Cancellations
    tries: int

    async def deployed(self, message: ModelDeployed, session: AsyncSession) -> Iterable[Message]:
        await book.advance(session, message.correlation_id, "evaluating")
        return ()

    async def evaluated(self, message: EvaluationCompleted, session: AsyncSession) -> Iterable[Message]:
        """What is left is the registry's judgement: the wait for it begins now."""
        await book.change(session, message.correlation_id)
        return ()

    async def deployment_failed(self, message: DeploymentFailed, session: AsyncSession) -> Iterable[Message]:
        return await self._failed(message, session)

    async def evaluation_failed(self, message: EvaluationFailed, session: AsyncSession) -> Iterable[Message]:
        return await self._failed(message, session)

    async def judged(self, message: VersionJudged, session: AsyncSession) -> Iterable[Message]:
        run = await book.find(session, message.correlation_id)
        if run is not None:
            await ending.judged(session, run, message)
        return ()

    async def cancelled(self, message: JobCancelled, session: AsyncSession) -> Iterable[Message]:
        """Any job's; those of runs end them."""
        await self.cancellations.record(message, session)
        run = await book.find(session, message.correlation_id)
        if run is not None:
            await ending.cancelled(session, run, self.tries)
        return ()

    async def _failed(
        self, message: DeploymentFailed | EvaluationFailed, session: AsyncSession
    ) -> Iterable[Message]:
        run = await book.find(session, message.correlation_id)
        if run is not None:
            await ending.failed(session, run, message.error, self.tries)
        return ()
