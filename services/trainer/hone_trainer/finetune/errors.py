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
