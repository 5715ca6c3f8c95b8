"""What the trainer is refused, and what to do about it."""

from pathlib import Path

from hone_hub.errors import HubError


class TrainingError(HubError):
    """Base of what stops the hub's part of a training run."""


class NoCheckpoint(TrainingError):
    """Nobody knows where weights of the model are that could be trained."""

    status = 404

    def __init__(self, model: str, reason: str) -> None:
        super().__init__(
            f"there are no weights of {model[:200]} to train: {reason}",
            "name them with --set checkpoint=hf:OWNER/NAME, or file:///FOLDER of safetensors",
        )
        self.model = model


class CheckpointQuantized(TrainingError):
    """Weights of few bits are no base: what is merged into them is lost."""

    def __init__(self, what: str, how: str) -> None:
        super().__init__(
            f"the weights of {what[:200]} are quantized already ({how[:40]})",
            "name the original in 16 bits with --set checkpoint=hf:OWNER/NAME; --method qlora quantizes it itself",
        )
        self.how = how


class TooLargeToRead(TrainingError):
    """Prompts are read with the tokenizer and a handful of weights."""

    status = 413

    def __init__(self, folder: Path, size_bytes: int, most_bytes: int) -> None:
        super().__init__(
            f"{folder} holds {size_bytes} bytes of weights, {most_bytes} at most are loaded to read prompts",
            "give the model's tokenizer with one layer of small weights",
        )
        self.size_bytes = size_bytes


class StillReading(TrainingError):
    """A large vocabulary on a busy machine. It goes on, and who asks again gets the answer."""

    status = 503
    transient = True

    def __init__(self, folder: Path) -> None:
        super().__init__(f"the prompts of {folder} are still being read", "ask again in a moment")


class PromptsTooLong(TrainingError):
    """The answer would be larger than a message may be."""

    status = 413

    def __init__(self, size_bytes: int, most_bytes: int) -> None:
        super().__init__(
            f"what the engine reads of the conversations takes {size_bytes} bytes to tell, {most_bytes} at most",
            "ask about fewer or shorter conversations",
        )
        self.size_bytes = size_bytes
