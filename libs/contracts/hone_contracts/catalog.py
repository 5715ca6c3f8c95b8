"""Every message there is, by kind. Golden files, streams and the AsyncAPI document follow from it."""

from hone_contracts.deployment import DeploymentFailed, ModelDeployed
from hone_contracts.evaluation import EvaluateVersions, EvaluationCompleted, EvaluationFailed, VersionJudged
from hone_contracts.feedback import FeedbackRecorded
from hone_contracts.generation import ArtifactGenerated, GenerateArtifact, GenerationFailed
from hone_contracts.hub import ConversionFailed, ConvertModel, ModelConverted
from hone_contracts.hub_models import (
    AdditionFailed,
    AddModel,
    ModelAdded,
    ModelRemoved,
    RemovalFailed,
    RemoveModel,
)
from hone_contracts.job_messages import JobCancelled
from hone_contracts.messages import Command, Event, Message
from hone_contracts.registry import RouteChanged
from hone_contracts.training import (
    DatasetBuilt,
    StartTraining,
    TrainingCompleted,
    TrainingFailed,
    TrainingStarted,
    TrainModel,
    TrainOnCard,
    TrainOnLargeCard,
)

COMMANDS: tuple[type[Command], ...] = (
    GenerateArtifact,
    ConvertModel,
    AddModel,
    RemoveModel,
    StartTraining,
    TrainModel,
    TrainOnCard,
    TrainOnLargeCard,
    EvaluateVersions,
)
EVENTS: tuple[type[Event], ...] = (
    ArtifactGenerated,
    GenerationFailed,
    ModelConverted,
    ConversionFailed,
    ModelAdded,
    AdditionFailed,
    ModelRemoved,
    RemovalFailed,
    JobCancelled,
    RouteChanged,
    FeedbackRecorded,
    TrainingStarted,
    DatasetBuilt,
    TrainingCompleted,
    TrainingFailed,
    ModelDeployed,
    DeploymentFailed,
    EvaluationCompleted,
    EvaluationFailed,
    VersionJudged,
)
BY_SUBJECT: dict[str, type[Message]] = {message.subject: message for message in (*COMMANDS, *EVENTS)}
