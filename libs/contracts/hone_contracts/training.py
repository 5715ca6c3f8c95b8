"""Asking the trainer what it can do and to train."""

from typing import ClassVar, Literal

from pydantic import BaseModel

from hone_contracts import subjects
from hone_contracts.artifacts import ArtifactType
from hone_contracts.errors import Request

Method = Literal["few_shot", "lora", "qlora", "kto"]


class CheckTraining(Request):
    """May a run with this method start here? Answered with an error that says what is missing."""

    subject: ClassVar[str] = subjects.rpc("trainer", "check_training")
    artifact_type: ArtifactType
    method: Method
    base: str | None = None


class TrainingPossible(BaseModel):
    method: Method
    device: str
