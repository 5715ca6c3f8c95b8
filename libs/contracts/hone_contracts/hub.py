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


class RequestCheckpoint(Request):
    """The 16- or 32-bit weights of a model as a folder in Hugging Face's layout, on the hub's own disk.

    Asked again until it is ready: the first question begins what has to be downloaded. ``model`` is a reference of a
    model that was added, ``hf:owner/name[@revision]``, or the URI of a folder. Refused with ``no_checkpoint`` where
    nobody knows where its weights come from, with ``checkpoint_quantized`` where they are quantized already, and with
    the download's own error where it failed.
    """

    subject: ClassVar[str] = subjects.rpc("hub", "request_checkpoint")
    model: str = Field(max_length=4096)


class Checkpoint(BaseModel):
    """Where it stands. ``uri`` is set once it is ready. ``source`` names it for good: a commit, or a folder."""

    uri: str | None = None
    source: str = ""
    done_bytes: int = 0
    total_bytes: int = 0
    licence: str | None = None


class RequestConversion(Request):
    """A Hugging Face folder as a GGUF file, asked again until it is done: the first question begins it. The same
    question for a file that is there already is answered with that file. Refused with the conversion's own error."""

    subject: ClassVar[str] = subjects.rpc("hub", "request_conversion")
    source_uri: str = Field(max_length=4096)
    target_uri: str = Field(max_length=4096)
    quantization: Quantization
    name: str = Field(max_length=200)
    version: str = Field(max_length=200)


class Conversion(BaseModel):
    """Where it stands. ``sha256`` is set once the file is there, whole."""

    sha256: str | None = None
    size_bytes: int = 0
    done_bytes: int = 0
    total_bytes: int = 0


class ReadPrompts(Request):
    """What the engine would read of conversations, token by token, when it serves a folder in Hugging Face's layout.

    The weights in it may be few and random: tokenizer and chat template are what is asked about. Conversations end
    with a user's message, and are rendered up to where the answer begins.
    """

    subject: ClassVar[str] = subjects.rpc("hub", "read_prompts")
    source_uri: str = Field(max_length=4096)
    conversations: tuple[tuple[dict[str, str], ...], ...] = Field(max_length=50)


class PromptsRead(BaseModel):
    """One entry a conversation, in their order; None where the template refuses it. ``end`` are the tokens that end
    an answer."""

    rendered: tuple[str | None, ...]
    token_ids: tuple[tuple[int, ...] | None, ...]
    end_ids: tuple[int, ...] = ()
