"""The ways that versions go to who serves them."""

from dataclasses import dataclass, field
from typing import Any, Protocol

from hone_contracts.registry import ServedVersion
from hone_contracts.training import TrainingCompleted
from hone_hub.worker_process import OnStep


@dataclass(frozen=True)
class Deployed:
    """``served`` is how the generator asks for the version. ``proof`` is what was seen of it."""

    served: ServedVersion
    sha256: str
    uri: str = ""
    size_bytes: int = 0
    proof: dict[str, Any] = field(default_factory=dict)


class Way(Protocol):
    async def deploy(self, order: TrainingCompleted, tell: OnStep) -> Deployed:
        """Twice is the same as once. Raises HubError or Refused."""
        ...

    async def remove(self, order: TrainingCompleted) -> None:
        """Whatever there is of the version: it failed, or its job was cancelled. Raises HubError."""
        ...
