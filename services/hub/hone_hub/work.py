"""What the hub's service and its worker process say to each other: JSON, one document a line."""

from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel

from hone_contracts.errors import ErrorBody
from hone_contracts.hub import Quantization


class ConvertWork(BaseModel):
    kind: Literal["convert"] = "convert"
    source: Path
    target: Path
    quantization: Quantization
    overwrite: bool


class InspectWork(BaseModel):
    kind: Literal["inspect"] = "inspect"
    path: Path


Work = ConvertWork | InspectWork


class Step(BaseModel):
    """How far it is; ``done`` and ``total`` in bytes."""

    stage: str
    message: str
    done: int
    total: int


class Told(BaseModel):
    """One line of the worker. A report or an error is the last."""

    step: Step | None = None
    report: dict[str, Any] | None = None
    error: ErrorBody | None = None
