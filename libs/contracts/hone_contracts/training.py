"""Asking the trainer what it can do and to train; how a run begins and what comes of it.

The id of a run is the id of its job: ``correlation_id`` of every message about it.
"""

from datetime import datetime
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
    settings: dict[str, Any] = Field(default={}, description="as StartTraining would have them")


class ResolvedSetting(BaseModel):
    """``source``: defaults, method, file:NAME, set, api; what is still ``auto`` is picked when the run begins."""

    model_config = ConfigDict(frozen=True)

    name: str
    value: Any = None
    source: str


class TrainingPossible(BaseModel):
    """``settings`` are all of them, where the method has such."""

    method: Method
    device: str
    settings: tuple[ResolvedSetting, ...] = ()


class StartTraining(Command):
    """A run that a person asked for. ``base`` is the route's model when None, ``dataset`` what the pool holds."""

    subject = subjects.command("trainer", "start")

    artifact_type: ArtifactType
    method: Method
    base: str | None = None
    dataset: str | None = Field(default=None, description="digest of a dataset, or a file's URI")
    settings: dict[str, Any] = Field(default={})
    repeats: str | None = Field(
        default=None, description="a run whose dataset, base, settings and seed are taken, to the bit"
    )


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


class TrainOnCard(TrainModel):
    """The same for a worker with a graphics card: a subject of its own, so that such workers scale by its lag."""

    subject = subjects.command("trainer", "train_on_card")


class TrainOnLargeCard(TrainModel):
    """The same for a worker whose card has ``LARGE_CARD_BYTES`` or more."""

    subject = subjects.command("trainer", "train_on_large_card")


LARGE_CARD_BYTES = 40 << 30
"""Below are the cards of desks (up to 32 GB), from there on those of data centres (40, 48, 80 and more)."""


class DatasetSummary(BaseModel):
    """An immutable dataset: its digest is that of its content."""

    model_config = ConfigDict(frozen=True)

    digest: str
    artifact_type: ArtifactType
    train: int
    held_out: int
    replayed: int = 0
    against: int = Field(default=0, description="answers to train on that people were against, for kto")
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
    gguf_uri: str | None = Field(
        default=None, description="the file that was evaluated and is to be served; else the hub makes one"
    )
    gguf_sha256: str | None = None
    prompt: PromptVersion | None = None
    parameters: dict[str, Any] = Field(default={})
    figures: dict[str, Any] = Field(default={})
    code_version: str


class TrainingFailed(Event):
    subject = subjects.event("training", "failed")

    artifact_type: ArtifactType
    method: Method
    error: ErrorBody


SteeringAction = Literal["pause", "resume", "stop"]
"""``pause`` checkpoints and frees the worker, ``resume`` goes on from there, ``stop`` ends early and keeps what was
learned: the best checkpoint goes on to be evaluated and deployed."""


class SteerTraining(Request):
    """Answered with the run as it is from now on. Refused with ``no_such_run``, ``run_ended``, ``not_steerable``."""

    subject: ClassVar[str] = subjects.rpc("trainer", "steer")
    run_id: str = Field(max_length=80)
    action: SteeringAction


class CurvePoint(BaseModel):
    """One step of a run. Losses are nats a trained token; None where that was not measured at this step."""

    model_config = ConfigDict(frozen=True)

    step: int
    loss: float | None = None
    held_out_loss: float | None = None
    learning_rate: float | None = None
    gradient_norm: float | None = None
    tokens_per_s: float | None = None


class ShowCurve(Request):
    """How the losses of a run went. Refused with ``no_such_run``."""

    subject: ClassVar[str] = subjects.rpc("trainer", "show_curve")
    run_id: str = Field(max_length=80)
    most_points: int = Field(default=500, ge=2, le=2000)


class Curve(BaseModel):
    """Evenly thinned: the first and the last point, and every held-out loss, are always there."""

    run_id: str
    steps: int = 0
    points: tuple[CurvePoint, ...] = ()


Severity = Literal["ok", "warning", "error"]


class EnvironmentFinding(BaseModel):
    """``advice`` says what to do about it; empty where nothing is to be done."""

    model_config = ConfigDict(frozen=True)

    name: str
    severity: Severity
    found: str
    advice: str = ""


class WorkerEnvironment(BaseModel):
    """What one worker has. ``methods`` can run there."""

    model_config = ConfigDict(frozen=True)

    worker: str
    device: str = Field(description="cuda, mps or cpu")
    card: str = ""
    card_bytes: int = 0
    free_card_bytes: int = 0
    memory_bytes: int = 0
    cores: int = 0
    methods: tuple[Method, ...] = ()
    findings: tuple[EnvironmentFinding, ...] = ()
    seen_at: datetime | None = None


class CheckEnvironments(Request):
    """What the workers that are alive can train, and what is missing."""

    subject: ClassVar[str] = subjects.rpc("trainer", "check_environments")


class Environments(BaseModel):
    workers: tuple[WorkerEnvironment, ...] = ()
