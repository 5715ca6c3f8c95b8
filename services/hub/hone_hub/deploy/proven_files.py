"""Weights of a version as a file that was made, proven, and is where providers may load it from; or none of it."""

from dataclasses import dataclass
from pathlib import Path

from hone_contracts.training import TrainingCompleted
from hone_hub.deploy.files import Record, VersionFiles
from hone_hub.deploy.proving import Proving
from hone_hub.worker_process import OnStep


@dataclass(frozen=True)
class ProvenFile:
    path: Path
    record: Record


class ProvenFiles:
    """Files of versions that llama.cpp has answered with."""

    def __init__(self, files: VersionFiles, proving: Proving) -> None:
        self._files, self._proving = files, proving

    async def get(self, order: TrainingCompleted, tell: OnStep) -> ProvenFile:
        """Made anew unless it is there. Raises HubError, Refused."""
        record = await self._files.proven(order)
        if record is None:
            try:
                made = await self._files.make(order, tell)
                proven = await self._proving.prove(order, made, tell)
                record = self._files.publish(order, made, proven.told(), proven.prompts)
            finally:
                self._files.remove_unproven(order)
        return ProvenFile(self._files.target(order), record)

    def remove(self, order: TrainingCompleted) -> None:
        self._files.remove(order)
