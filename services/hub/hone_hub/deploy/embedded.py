"""Weights for the engine that ships with Hone: a file in the folder of models."""

from hone_contracts.training import TrainingCompleted
from hone_hub.deploy.files import Record, VersionFiles
from hone_hub.deploy.proving import Proving
from hone_hub.deploy.versions import reference, version_name
from hone_hub.deploy.way import Deployed
from hone_hub.worker_process import OnStep


class EmbeddedWeights:
    def __init__(self, files: VersionFiles, proving: Proving) -> None:
        self._files, self._proving = files, proving

    async def deploy(self, order: TrainingCompleted, tell: OnStep) -> Deployed:
        record = await self._files.proven(order)
        if record is None:
            try:
                record = await self._prove(order, tell)
            finally:
                self._files.remove_unproven(order)
        return self._deployed(order, record)

    async def remove(self, order: TrainingCompleted) -> None:
        self._files.remove(order)

    async def _prove(self, order: TrainingCompleted, tell: OnStep) -> Record:
        made = await self._files.make(order, tell)
        proven = await self._proving.prove(order, made, tell)
        return self._files.publish(order, made, proven.told())

    def _deployed(self, order: TrainingCompleted, record: Record) -> Deployed:
        planned, uri = order.planned, self._files.target(order).as_uri()
        served = planned.base.model_copy(
            update={
                "version": planned.version,
                "served_by": f"{reference(planned)}:{version_name(planned)}",
                "model_uri": uri,
                "model_sha256": record.sha256,
                "prompt": None,
            }
        )
        return Deployed(served, record.sha256, uri, record.size_bytes, record.proof)
