"""What a method adds to the loop: the loss of a micro-batch, and the measure that chooses the best checkpoint."""

from typing import Any, Protocol

from torch import Tensor

from hone_trainer.tuning.data.batches import MicroBatch, Step


class Recipe(Protocol):
    """The loop divides the losses of a step's micro-batches by ``total`` of the step, over all processes."""

    def begin_step(self, model: Any, step: Step) -> None:
        """What must be known of the whole step before its first loss."""

    def total(self, step: Step) -> float:
        """Whatever the loss is a mean over: weighted trained tokens, or weighted examples."""

    def loss(self, model: Any, micro: MicroBatch) -> tuple[Tensor, dict[str, float]]:
        """The sum (not the mean) of the losses with its gradient, a scalar; and sums of what else is measured, which
        are divided like the loss."""

    def held_out(self, model: Any) -> dict[str, float]:
        """Of what is never trained on, without gradient. ``loss`` chooses the best checkpoint: the lowest."""
