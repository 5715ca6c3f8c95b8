"""Every message there is, by kind. Golden files, streams and the AsyncAPI document follow from it."""

from hone_contracts.generation import ArtifactGenerated, GenerateArtifact, GenerationFailed
from hone_contracts.hub import ConversionFailed, ConvertModel, ModelConverted
from hone_contracts.job_messages import JobCancelled
from hone_contracts.messages import Command, Event, Message
from hone_contracts.registry import RouteChanged

COMMANDS: tuple[type[Command], ...] = (GenerateArtifact, ConvertModel)
EVENTS: tuple[type[Event], ...] = (
    ArtifactGenerated,
    GenerationFailed,
    ModelConverted,
    ConversionFailed,
    JobCancelled,
    RouteChanged,
)
BY_SUBJECT: dict[str, type[Message]] = {message.subject: message for message in (*COMMANDS, *EVENTS)}
