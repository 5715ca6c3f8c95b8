"""Why a model cannot have the card now. All are ProviderErrors, so that the engine goes on to the next model."""

from hone_generator.providers.errors import ModelLoadFailed, ProviderError

_GIB = 1 << 30


def gib(size_bytes: int) -> str:
    return f"{size_bytes / _GIB:.1f} GiB"


class DoesNotFit(ProviderError):
    """The card is too small for the model, with whatever could be unloaded gone and the context as small as
    can be."""

    code = "does_not_fit"

    def __init__(self, model: str, context_tokens: int, needed_bytes: int, room_bytes: int) -> None:
        super().__init__(
            f"{model} needs {gib(needed_bytes)} with a context of {context_tokens} tokens, and at most "
            f"{gib(max(room_bytes, 0))} can be made free; use a smaller model or a smaller quantization"
        )
        self.model = model
        self.context_tokens = context_tokens
        self.needed_bytes = needed_bytes
        self.room_bytes = room_bytes


class OutOfMemory(ProviderError):
    """The server ran out of memory when it loaded the model or while it answered."""

    code = "out_of_memory"

    def __init__(self, model: str, reason: str) -> None:
        super().__init__(f"{model} ran out of memory: {reason}; use a smaller model or a smaller context")
        self.model = model
        self.reason = reason


class RunnerDied(ModelLoadFailed):
    """The process that loads the model crashed and left no reason: often for want of memory, or a broken file."""

    code = "runner_died"


class CardBusy(ProviderError):
    """The model would fit, if others were not being used at this moment."""

    transient = True
    code = "card_busy"

    def __init__(self, model: str, reason: str) -> None:
        super().__init__(f"there is no room for {model} now: {reason}; try again, or choose another model")
        self.model = model
        self.reason = reason


class CardLeased(ProviderError):
    """A training run has the card, or is about to get it."""

    transient = True
    code = "card_leased"

    def __init__(self, model: str, run: str, remaining_s: float) -> None:
        super().__init__(
            f"{model} cannot run: the card is lent to training run {run} for another {remaining_s:.0f} s at "
            "least; `hone jobs ls` shows it, and other models answer meanwhile"
        )
        self.model = model
        self.run = run
        self.remaining_s = remaining_s
