"""Versions that are examples before the question, of models that keep none themselves: there is nothing to deploy."""

import hashlib
import json

from hone_contracts.registry import PromptVersion
from hone_contracts.training import TrainingCompleted
from hone_hub.deploy.way import Deployed
from hone_hub.worker_process import OnStep


class PromptsPassThrough:
    """The generator sends the examples with every question."""

    async def deploy(self, order: TrainingCompleted, tell: OnStep) -> Deployed:  # noqa: ARG002 (it takes no time)
        assert order.prompt is not None
        base, content = order.planned.base, canonical(order.prompt)
        served = base.model_copy(update={"version": order.planned.version, "prompt": order.prompt})
        return Deployed(
            served=served,
            sha256=hashlib.sha256(content).hexdigest(),
            size_bytes=len(content),
            proof={
                "none": "the weights are the base's, which answer already; the evaluation tries the examples"
            },
        )

    async def remove(self, order: TrainingCompleted) -> None:
        """There is nothing."""


def canonical(prompt: PromptVersion) -> bytes:
    """Equal prompts have equal bytes."""
    return json.dumps(
        prompt.model_dump(mode="json"), ensure_ascii=False, sort_keys=True, separators=(",", ":")
    ).encode()
