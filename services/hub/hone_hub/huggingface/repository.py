"""What a hub holds, asked for by other services and by additions."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

from hone_contracts.huggingface import (
    FoundModels,
    InspectRepository,
    MemoryPlace,
    RepositoryReport,
    SearchModels,
)
from hone_hub import worker_process
from hone_hub.huggingface.access import HubAccess
from hone_hub.huggingface.errors import HubUnreachable
from hone_hub.refusals import Refused
from hone_hub.work import AskHubWork, FindCheckpoint, FoundCheckpoint, Step

Places = Callable[[], Awaitable[tuple[MemoryPlace, ...]]]


class Repositories:
    """Answers ``SearchModels`` and ``InspectRepository``, each in a process of its own: however many downloads wait,
    a search waits for none of them."""

    def __init__(self, access: HubAccess, places: Places, limit_s: float) -> None:
        self._access, self._places, self._limit_s = access, places, limit_s

    async def search(self, question: SearchModels) -> FoundModels:
        """Raises Refused."""
        return FoundModels.model_validate(await self._answer(self._work(question)))

    async def report(self, question: InspectRepository) -> RepositoryReport:
        """Raises Refused."""
        work = self._work(question, await self._places())
        return RepositoryReport.model_validate(await self._answer(work))

    async def checkpoint(self, question: FindCheckpoint) -> FoundCheckpoint:
        """Raises Refused."""
        return FoundCheckpoint.model_validate(await self._answer(self._work(question)))

    async def _answer(self, work: AskHubWork) -> dict[str, Any]:
        try:
            async with asyncio.timeout(self._limit_s):
                return await worker_process.run(work, _nobody_watches)
        except TimeoutError as error:
            away = HubUnreachable(self._access.endpoint, f"no whole answer within {self._limit_s:g} s")
            raise Refused.because(away) from error

    def _work(
        self,
        question: FindCheckpoint | SearchModels | InspectRepository,
        places: tuple[MemoryPlace, ...] = (),
    ) -> AskHubWork:
        token = self._access.token
        return AskHubWork(
            endpoint=self._access.endpoint,
            token=None if token is None else token.get_secret_value(),
            question=question,
            places=places,
            header_seconds=self._limit_s / 2,
        )


async def _nobody_watches(_step: Step) -> None:
    return
