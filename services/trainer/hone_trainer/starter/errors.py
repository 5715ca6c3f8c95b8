"""What can go wrong while the starter is built."""

from pathlib import Path

from hone_trainer.errors import TrainerError


class StarterError(TrainerError):
    """The starter could not be built; the message says what to do next."""

    def __init__(self, detail: str) -> None:
        super().__init__("starter_not_built", "The starter model was not built", detail, 500)


class PhraseError(StarterError):
    """A line of a phrase file does not follow the format described at its top."""

    def __init__(self, where: str, reason: str) -> None:
        super().__init__(f"{where}: {reason}; correct the phrase file")
        self.where = where


class CheckpointMismatch(StarterError):
    """A checkpoint was made by another recipe, so going on from it would train something else."""

    def __init__(self, path: Path, differing: dict[str, tuple[object, object]]) -> None:
        rows = ", ".join(f"{key}: {was!r} then, {now!r} now" for key, (was, now) in sorted(differing.items()))
        super().__init__(
            f"{path} was made by another recipe ({rows}); use another --out or leave out --resume"
        )
        self.path = path
        self.differing = differing


class CheckpointDamaged(StarterError):
    """A checkpoint's bytes are not those its manifest was written for."""

    def __init__(self, path: Path) -> None:
        super().__init__(f"{path} does not match its manifest; delete it to resume from an older one")
        self.path = path


class TrainingDiverged(StarterError):
    """Loss or gradient stopped being a number."""

    def __init__(self, step: int) -> None:
        super().__init__(f"loss or gradient is not finite at step {step}; lower the learning rates")
        self.step = step
