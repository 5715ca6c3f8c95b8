"""Asking the trainer what it can do and to train; how a run begins and what comes of it.

The id of a run is the id of its job: ``correlation_id`` of every message about it.
"""

from typing import Any, ClassVar, Literal

from pydantic import BaseModel, ConfigDict, Field

from hone_contracts import subjects
from hone_contracts.artifacts import ArtifactType
from hone_contracts.errors import ErrorBody, Request
from hone_contracts.messages import Command, Event
from hone_contracts.registry import PromptVersion, Reading, ServedVersion

Method = Literal["few_shot", "full", "lora", "qlora", "kto"]
"""``few_shot`` chooses examples and changes no weights; ``full`` changes all weights of a small model."""

Trigger = Literal["examples", "manual"]


class CheckTraining(Request):
    """May a run with this method start here? Answered with an error that says what is missing."""

    subject: ClassVar[str] = subjects.rpc("trainer", "check_training")
    artifact_type: ArtifactType
    method: Method
    base: str | None = None


class TrainingPossible(BaseModel):
    method: Method
    device: str


class StartTraining(Command):
    """A run that a person asked for. ``base`` is the route's model when None, ``dataset`` what the pool holds."""

    subject = subjects.command("trainer", "start")

    artifact_type: ArtifactType
    method: Method
    base: str | None = None
    dataset: str | None = Field(default=None, description="digest of a dataset, or a file's URI")
    settings: dict[str, Any] = Field(default={})


class TrainingStarted(Event):
    """A run began, by the trigger or by hand. Its job is there from now on."""

    subject = subjects.event("training", "started")

    artifact_type: ArtifactType
    method: Method
    trigger: Trigger
    examples: int


class TrainModel(Command):
    """Work for a worker: the dataset of the run, then the version. All else stands in the trainer's own rows."""

    subject = subjects.command("trainer", "train")

    artifact_type: ArtifactType
    method: Method
    batch: str = Field(description="the batch of examples that the run claimed")


class DatasetSummary(BaseModel):
    """An immutable dataset: its digest is that of its content."""

    model_config = ConfigDict(frozen=True)

    digest: str
    artifact_type: ArtifactType
    train: int
    held_out: int
    replayed: int = 0
    sources: dict[str, int] = Field(default={})
    train_uri: str
    held_out_uri: str


class DatasetBuilt(Event):
    subject = subjects.event("dataset", "built")

    dataset: DatasetSummary


class PlannedVersion(BaseModel):
    """What a run will make: its number and name, and the version that it starts from and has to beat."""

    model_config = ConfigDict(frozen=True)

    model: str
    reading: Reading
    version: int
    name: str = Field(description="v{n}_{timestamp}")
    base: ServedVersion


class TrainingCompleted(Event):
    """``weights_uri`` is a folder in Hugging Face's layout, ``prompt`` are chosen examples; one of them is set."""

    subject = subjects.event("training", "completed")

    artifact_type: ArtifactType
    method: Method
    planned: PlannedVersion
    dataset: DatasetSummary
    weights_uri: str | None = None
    prompt: PromptVersion | None = None
    parameters: dict[str, Any] = Field(default={})
    figures: dict[str, Any] = Field(default={})
    code_version: str


class TrainingFailed(Event):
    subject = subjects.event("training", "failed")

    artifact_type: ArtifactType
    method: Method
    error: ErrorBody
