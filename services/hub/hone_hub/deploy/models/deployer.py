"""To whom added models go."""

from pathlib import Path

from hone_contracts.hub_models import Destination
from hone_contracts.models import InvalidModelRef, ModelRef
from hone_hub.deploy.errors import BadModelName
from hone_hub.deploy.models.embedded import EmbeddedModels
from hone_hub.deploy.models.ollama import OllamaModels
from hone_hub.deploy.models.order import DeployOrder, Placed
from hone_hub.deploy.ollama.everywhere import Hosts
from hone_hub.worker_process import OnStep


class ModelDeployer:
    """``models`` is the folder that the embedded engine loads from; ``hosts`` those of Ollama."""

    def __init__(self, models: Path, hosts: Hosts, limit_s: float) -> None:
        self._embedded = EmbeddedModels(models, limit_s)
        self._ollama = OllamaModels(hosts, limit_s)

    async def destinations(self) -> tuple[Destination, ...]:
        """Ollama where one answers, else the embedded engine. Raises BadOllamaHost."""
        return ("ollama",) if await self._ollama.answers() else ("llamacpp",)

    async def deploy(self, order: DeployOrder, to: Destination, tell: OnStep) -> Placed:
        """Twice is once. Whatever fails leaves nothing there. Raises HubError, Refused."""
        if to == "ollama":
            return await self._ollama.deploy(order, tell)
        return await self._embedded.deploy(order, tell)

    async def pull(self, library_name: str, order: DeployOrder, tell: OnStep) -> Placed:
        """A model of Ollama's library, under ``order.name``. Raises HubError."""
        return await self._ollama.pull(library_name, order, tell)

    async def remove(self, reference: str) -> int:
        """Bytes freed; none where it is not there. Raises BadModelName, OllamaError."""
        try:
            ref = ModelRef.parse(reference)
        except InvalidModelRef as error:
            raise BadModelName(reference, error.reason) from error
        if ref.provider == "ollama":
            return await self._ollama.remove(ref.name)
        if ref.provider == "llamacpp":
            return await self._embedded.remove(ref.name)
        raise BadModelName(reference, "added models are Ollama's or the embedded engine's")
