"""Telling how far a job is, to whoever watches: over core NATS, not stored, never in the job's way."""

from collections.abc import Mapping

from nats.aio.client import Client

from hone_chassis.broker import BROKER_TROUBLE
from hone_chassis.logs import get_logger
from hone_contracts import subjects
from hone_contracts.messages import JobProgressed, Message

log = get_logger(__name__)

_PER_ATTEMPT = 1_000_000  # sequence numbers of one attempt stay below those of the next


class ProgressPublisher:
    """Publishes one attempt's progress, numbered so that it sorts after earlier attempts'."""

    def __init__(self, client: Client, cause: Message, attempt: int) -> None:
        self._client, self._cause, self.attempt = client, cause, attempt
        self._sequence = attempt * _PER_ATTEMPT

    def numbered(self, attempt: int) -> "ProgressPublisher":
        """The same for work that counts its attempts itself: a command that follows another begins to count anew."""
        return ProgressPublisher(self._client, self._cause, attempt)

    async def __call__(
        self,
        stage: str,
        message: str = "",
        *,
        done: int | None = None,
        total: int | None = None,
        figures: Mapping[str, float] | None = None,
    ) -> None:
        await self._publish(stage=stage, message=message, done=done, total=total, figures=dict(figures or {}))

    async def token(self, stage: str, text: str) -> None:
        """Text as the model writes it."""
        await self._publish(kind="token", stage=stage, token=text)

    async def _publish(self, **fields: object) -> None:
        self._sequence += 1
        told = JobProgressed.caused_by(self._cause, sequence=self._sequence, attempt=self.attempt, **fields)
        try:
            await self._client.publish(
                subjects.progress(told.correlation_id), told.model_dump_json().encode()
            )
        except BROKER_TROUBLE as error:
            log.debug("progress not sent", error=repr(error))
