"""Follows a run through the other services, to its end. Messages that come late or again do nothing."""

import json
from collections.abc import Iterable
from dataclasses import dataclass

from sqlmodel.ext.asyncio.session import AsyncSession

from hone_chassis.cancellations import Cancellations
from hone_chassis.database import Database
from hone_chassis.dead_letters import reason_of
from hone_chassis.logs import get_logger
from hone_chassis.service import RawMessage
from hone_contracts.deployment import DeploymentFailed, ModelDeployed
from hone_contracts.evaluation import EvaluationCompleted, EvaluationFailed, VersionJudged
from hone_contracts.job_messages import JobCancelled
from hone_contracts.messages import Message
from hone_trainer.runs import book, ending

log = get_logger(__name__)


@dataclass(frozen=True)
class Following:
    database: Database
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

    async def died(self, letter: RawMessage) -> None:
        """Of a command to train: whoever took it died of it, again and again. Its run has failed, if it is the one
        that counted."""
        run_id, command = letter.headers.get("correlation_id", ""), _id_of(letter.body)
        async with self.database.write() as session:
            run = await book.find(session, run_id)
            if run is None or run["command"] != command:
                return
            if await ending.failed(session, run, reason_of(letter.headers), self.tries):
                log.warning("a run was given up", run_id=run_id, command=command)

    async def _failed(
        self, message: DeploymentFailed | EvaluationFailed, session: AsyncSession
    ) -> Iterable[Message]:
        run = await book.find(session, message.correlation_id)
        if run is not None:
            await ending.failed(session, run, message.error, self.tries)
        return ()


def _id_of(body: bytes) -> str | None:
    try:
        told = json.loads(body)
    except (ValueError, RecursionError):
        return None
    return str(told.get("message_id")) if isinstance(told, dict) else None
