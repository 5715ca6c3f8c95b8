"""Files of model weights: inspecting and converting them."""

from typing import Any, ClassVar, Literal

from pydantic import BaseModel

from hone_contracts import subjects
from hone_contracts.errors import ErrorBody, Request
from hone_contracts.messages import Command, Event

Quantization = Literal["f32", "f16", "bf16", "q8_0"]


class ConvertModel(Command):
    """Write a Hugging Face folder as a GGUF file. Large files go by URI (``file://``), never over the bus."""

    subject = subjects.command("hub", "convert")

    source_uri: str
    target_uri: str
    quantization: Quantization = "q8_0"
    overwrite: bool = False


class ModelConverted(Event):
    subject = subjects.event("model", "converted")

    target_uri: str
    sha256: str
    size_bytes: int
    report: dict[str, Any]


class ConversionFailed(Event):
    subject = subjects.event("conversion", "failed")

    error: ErrorBody


class InspectFile(Request):
    subject: ClassVar[str] = subjects.rpc("hub", "inspect_file")
    uri: str


class FileReport(BaseModel):
    report: dict[str, Any]
