"""Files of model weights: inspecting and converting them."""

from typing import Any, ClassVar, Literal

from pydantic import BaseModel, Field

from hone_contracts import subjects
from hone_contracts.errors import ErrorBody, Request
from hone_contracts.messages import Command, Event

Quantization = Literal["f32", "f16", "bf16", "q8_0", "q6_k", "q5_k_m", "q5_0", "q4_k_m", "q4_0"]
"""What the matrices of a converted file are stored as; the K-quants mix types, as llama.cpp's own tool does."""


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


class FindWeights(Request):
    """Where the file of a model's weights lies that a provider keeps, on the hub's own disk.

    Refused with ``weights_not_here`` where the provider keeps none, or keeps them on another machine.
    """

    subject: ClassVar[str] = subjects.rpc("hub", "find_weights")
    model: str = Field(max_length=500, description="model reference, provider:model[:tag]")


class Weights(BaseModel):
    uri: str
    sha256: str
    size_bytes: int
