"""A process that logs a line for each command: `hone_chassis.serve("counting.speaking")`."""

from collections.abc import Iterable

from sqlmodel.ext.asyncio.session import AsyncSession

from counting.app import counting_service
from hone_chassis import Service, ServiceSettings, logs
from hone_contracts.generation import GenerateArtifact
from hone_contracts.messages import Message

log = logs.get_logger(__name__)


def create() -> Service:
    service = counting_service(ServiceSettings())

    async def handle(message: GenerateArtifact, session: AsyncSession) -> Iterable[Message]:
        log.info("handling", detail={"é": 1})
        return ()

    service.handles(GenerateArtifact, handle)
    return service
