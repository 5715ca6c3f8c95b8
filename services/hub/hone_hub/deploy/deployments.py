"""Works on ``TrainingCompleted``: the version goes to who serves it, and everybody is told, or why not."""

from collections.abc import Mapping

from hone_chassis import Outcome, ProgressPublisher, Transient
from hone_chassis.cancellations import Cancellations, JobWasCancelled
from hone_chassis.logs import get_logger
from hone_contracts.deployment import DeploymentFailed, ModelDeployed
from hone_contracts.errors import ErrorBody
from hone_contracts.training import TrainingCompleted
from hone_hub.converting import steps_to
from hone_hub.deploy.errors import NothingToDeploy, WeightsNotServable
from hone_hub.deploy.versions import reference
from hone_hub.deploy.way import Way
from hone_hub.error_bodies import body_of
from hone_hub.errors import HubError
from hone_hub.refusals import Refused

log = get_logger(__name__)


class Deployments:
    """``weights`` and ``prompts`` are the ways by provider; a provider without a way of its own for prompts is sent
    them with each question (``""``)."""

    def __init__(
        self,
        weights: Mapping[str, Way],
        prompts: Mapping[str, Way],
        cancellations: Cancellations,
        max_deliver: int,
    ) -> None:
        self._weights, self._prompts = weights, prompts
        self._cancellations, self._max_deliver = cancellations, max_deliver

    async def deploy(self, order: TrainingCompleted, progress: ProgressPublisher) -> Outcome:
        try:
            way = self._way(order)
        except HubError as error:
            return _failed(order, body_of(error))
        try:
            async with self._cancellations.interruptible(order.correlation_id):
                return Outcome([await self._deployed(way, order, progress)])
        except JobWasCancelled:
            await _remove(way, order)
            return Outcome()
        except HubError as error:
            why = body_of(error)
            if error.transient and progress.attempt < self._max_deliver:
                raise Transient(why.code, why.title, why.detail, why.status) from error
        except Refused as refused:
            why = refused.body()
        left = await _remove(way, order)
        told = (
            f"; what there is of it could not be removed: {left}" if left and left not in why.detail else ""
        )
        return _failed(order, why.model_copy(update={"detail": why.detail + told}))

    async def _deployed(
        self, way: Way, order: TrainingCompleted, progress: ProgressPublisher
    ) -> ModelDeployed:
        deployed = await way.deploy(order, steps_to(progress))
        return ModelDeployed.caused_by(
            order,
            artifact_type=order.artifact_type,
            method=order.method,
            planned=order.planned,
            dataset=order.dataset,
            served=deployed.served,
            uri=deployed.uri,
            sha256=deployed.sha256,
            size_bytes=deployed.size_bytes,
            proof=deployed.proof,
            parameters=order.parameters,
            figures=order.figures,
            code_version=order.code_version,
        )

    def _way(self, order: TrainingCompleted) -> Way:
        """Raises NothingToDeploy, BadModelName, WeightsNotServable."""
        has_weights = order.weights_uri is not None or order.gguf_uri is not None
        if has_weights == (order.prompt is not None):
            raise NothingToDeploy(order.planned.name, has_both=order.prompt is not None)
        provider = reference(order.planned).provider
        if order.prompt is not None:
            return self._prompts.get(provider) or self._prompts[""]
        if provider not in self._weights:
            raise WeightsNotServable(order.planned.model, provider)
        return self._weights[provider]


async def _remove(way: Way, order: TrainingCompleted) -> str:
    """Why something may be left of it, if so."""
    try:
        await way.remove(order)
    except HubError as error:
        log.warning("a version could not be removed", version=order.planned.name, error=str(error))
        return error.problem
    return ""


def _failed(order: TrainingCompleted, error: ErrorBody) -> Outcome:
    return Outcome([DeploymentFailed.caused_by(order, artifact_type=order.artifact_type, error=error)])
