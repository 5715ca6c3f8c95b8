"""Weights for the engine that ships with Hone: a file in the folder of models."""

from hone_contracts.training import TrainingCompleted
from hone_hub.deploy.proven_files import ProvenFiles
from hone_hub.deploy.versions import reference, version_name
from hone_hub.deploy.way import Deployed
from hone_hub.worker_process import OnStep


class EmbeddedWeights:
    def __init__(self, files: ProvenFiles) -> None:
        self._files = files

    async def deploy(self, order: TrainingCompleted, tell: OnStep) -> Deployed:
        file, planned = await self._files.get(order, tell), order.planned
        record, uri = file.record, file.path.as_uri()
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

    async def remove(self, order: TrainingCompleted) -> None:
        self._files.remove(order)
