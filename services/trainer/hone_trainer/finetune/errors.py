"""Why a fine-tuning ended without a result."""

from pathlib import Path

from hone_trainer.errors import TrainerError


class FinetuneError(TrainerError):
    """The model was not fine-tuned; the message says what to do next."""

    def __init__(self, code: str, detail: str, status: int = 422) -> None:
        super().__init__(code, "The model was not fine-tuned", detail, status)


class SpecInvalid(FinetuneError):
    def __init__(self, path: Path, reason: str) -> None:
        super().__init__("finetune_spec_invalid", f"{path}: {reason}; correct the spec")
        self.path = path


class PairsInvalid(FinetuneError):
    """A file of pairs, or a line of it, is not what it should be."""

    def __init__(self, path: Path, line: int | None, reason: str) -> None:
        where = f"{path}, line {line}" if line else str(path)
        super().__init__("finetune_pairs_invalid", f"{where}: {reason}; correct the file")
        self.path, self.line = path, line


class BaseUnreadable(FinetuneError):
    """A file of the model to start from is damaged, or no such file."""

    def __init__(self, path: Path, reason: str) -> None:
        super().__init__("finetune_base_unreadable", f"{path} {reason}; get the model again")
        self.path = path


class BaseUnsupported(FinetuneError):
    """The model to start from is not of the starter's family, whose every weight a CPU can train in seconds."""

    def __init__(self, path: Path, reason: str) -> None:
        super().__init__(
            "finetune_base_unsupported",
            f"{path} {reason}. Full fine-tuning takes models of the starter's family; for another one train with "
            "the method few_shot, which changes no weights",
        )
        self.path = path


class Diverged(FinetuneError):
    """Loss or gradient stopped being a number. The weights were not touched by that step."""

    def __init__(self, step: int, total: int) -> None:
        super().__init__(
            "finetune_diverged",
            f"loss or gradient is not finite at step {step} of {total}; lower the learning rates, check the pairs",
        )
        self.step = step


class TimeOver(FinetuneError):
    def __init__(self, limit_s: float, done: int, total: int) -> None:
        super().__init__(
            "finetune_time_over",
            f"{done} of {total} steps were done after {limit_s:g} s; raise time_limit_s, or lower epochs",
        )
        self.done, self.total = done, total


class OutTaken(FinetuneError):
    """The folder for the result is there and holds something else."""

    def __init__(self, out: Path) -> None:
        super().__init__("finetune_out_taken", f"{out} holds another result; name another folder", 409)
        self.out = out


class Cancelled(FinetuneError):
    """It was asked to end: SIGTERM or SIGINT."""

    def __init__(self) -> None:
        super().__init__("finetune_cancelled", "it was asked to end; start it again", 499)
