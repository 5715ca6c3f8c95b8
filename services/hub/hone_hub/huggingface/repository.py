"""What a hub holds, asked for by other services and by additions."""

from collections.abc import Awaitable, Callable

from hone_contracts.huggingface import (
    FoundModels,
    InspectRepository,
    MemoryPlace,
    RepositoryReport,
    SearchModels,
)
from hone_hub import worker_process
from hone_hub.huggingface.access import HubAccess
from hone_hub.work import AskHubWork

Places = Callable[[], Awaitable[tuple[MemoryPlace, ...]]]


class Repositories:
    """Answers ``SearchModels`` and ``InspectRepository``, each in a process of its own: however many downloads wait,
    a search waits for none of them."""

    def __init__(self, access: HubAccess, places: Places, limit_s: float) -> None:
        self._access, self._places, self._limit_s = access, places, limit_s

    async def search(self, question: SearchModels) -> FoundModels:
        """Raises Refused."""
        return FoundModels.model_validate(
            await worker_process.run_within(self._limit_s, self._work(question))
        )

    async def report(self, question: InspectRepository) -> RepositoryReport:
        """Raises Refused."""
        work = self._work(question, await self._places())
        return RepositoryReport.model_validate(await worker_process.run_within(self._limit_s, work))

    def _work(
        self, question: SearchModels | InspectRepository, places: tuple[MemoryPlace, ...] = ()
    ) -> AskHubWork:
        token = self._access.token
        return AskHubWork(
            endpoint=self._access.endpoint,
            token=None if token is None else token.get_secret_value(),
            question=question,
            places=places,
            header_seconds=self._limit_s / 2,
        )
