"""A version on its way to a provider: trainer made it, hub deploys it, registry registers it."""

from typing import Any

from pydantic import Field

from hone_contracts import subjects
from hone_contracts.artifacts import ArtifactType
from hone_contracts.errors import ErrorBody
from hone_contracts.messages import Event
from hone_contracts.registry import ServedVersion
from hone_contracts.training import DatasetSummary, Method, PlannedVersion


class ModelDeployed(Event):
    """The provider has the version and answered with it. ``served`` is how the generator asks for it."""

    subject = subjects.event("model", "deployed")

    artifact_type: ArtifactType
    method: Method
    planned: PlannedVersion
    dataset: DatasetSummary
    served: ServedVersion
    uri: str = Field(default="", description="of the file of the weights; empty for a prompt version")
    sha256: str
    size_bytes: int = 0
    proof: dict[str, Any] = Field(default={})
    parameters: dict[str, Any] = Field(default={})
    figures: dict[str, Any] = Field(default={})
    code_version: str = ""


class DeploymentFailed(Event):
    """Nothing of the version is left at the provider."""

    subject = subjects.event("deployment", "failed")

    artifact_type: ArtifactType
    error: ErrorBody
