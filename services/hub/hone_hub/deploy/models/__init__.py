"""Models that a person adds, on their way to who serves them: placed, proven by an answer, or not there at all."""

from hone_hub.deploy.models.deployer import ModelDeployer
from hone_hub.deploy.models.order import DeployOrder, ModelFile, Placed

__all__ = ["DeployOrder", "ModelDeployer", "ModelFile", "Placed"]
