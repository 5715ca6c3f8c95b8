"""The training loop, the same for every method: accumulate, look, step, measure, checkpoint.

A step is taken only if its loss and its gradient are finite: else the run goes back to its last good checkpoint with
half the rate, twice at most. All that a step depends on are the weights, the optimizer's moments and the step's
number, so a run that is resumed at any step goes on as if it had not been interrupted, to the bit.
"""

import contextlib
import math
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from hone_trainer.tuning.base import DTYPES
from hone_trainer.tuning.checkpoints import Checkpoints
from hone_trainer.tuning.data.batches import Step
from hone_trainer.tuning.distributed import Group, shares
from hone_trainer.tuning.errors import Cancelled, Diverged, NothingTrained
from hone_trainer.tuning.recipe import Recipe
from hone_trainer.tuning.schedule import pace
from hone_trainer.tuning.settings import Decided

MOST_ROLLBACKS = 2
Weights = dict[str, Tensor]


@dataclass
class Course:
    """Where a run stands. What of it must survive is in every checkpoint."""

    step: int = 0
    tokens: int = 0
    rate_factor: float = 1.0
    rollbacks: int = 0
    best_step: int = 0
    best_loss: float = math.inf
    held_out: dict[str, float] = field(default_factory=dict)
    seconds: float = 0.0

    def state(self) -> dict[str, Any]:
        return {name: getattr(self, name) for name in self.__dataclass_fields__}


@dataclass(frozen=True)
class Measured:
    """One step. ``figures`` have the loss (nats), held-out figures where they were measured, rate, gradient norm,
    tokens a second, seconds left, memory in bytes."""

    step: int
    total: int
    figures: dict[str, float]


Tell = Callable[[Measured], None]
Asked = Callable[[], str]
"""What is asked of the run: ``stop`` (end early, keep the best), ``end`` (checkpoint and end), or nothing."""


class Loop:
    """``model`` carries the adapter; everything else of it is frozen."""

    def __init__(
        self,
        *,
        model: Any,
        recipe: Recipe,
        plan: Sequence[Step],
        lengths: Sequence[int],
        settings: Decided,
        checkpoints: Checkpoints,
        group: Group,
    ) -> None:
        self._model, self._recipe, self._plan, self._lengths = model, recipe, plan, lengths
        self._settings, self._checkpoints, self._group = settings, checkpoints, group
        self._trained = {name: each for name, each in model.named_parameters() if each.requires_grad}
        self._optimizer = torch.optim.AdamW(
            self._trained.values(),
            lr=settings.learning_rate,
            betas=(settings.adam_beta1, settings.adam_beta2),
            weight_decay=settings.weight_decay,
        )
        # Gradients of half precision fall below its smallest number without a scale; bf16 has fp32's range.
        self._scale = 2.0**12 if settings.dtype == "fp16" else 1.0
        self._best: Weights = {}
        self.course = Course()

    def run(self, tell: Tell, asked: Asked) -> Course:
        """Train to the end of the plan, or to where it was asked to stop. The model then has the best weights.

        Raises Cancelled with a checkpoint written, Diverged, DiskFull, NothingTrained.
        """
        self._resume()
        if self.course.step == 0 and not self.course.held_out:
            self._measure()  # what there was before: nothing worse is ever kept
            self._save()
        while self.course.step < len(self._plan):
            if self._stops_early(asked):
                break
            self._step(tell)
        if 0 < self.course.step < len(self._plan) and self.course.step % self._settings.eval_every:
            self._measure()  # stopped between two measures
        self._save()
        if self.course.best_step == 0:
            raise NothingTrained(_nothing(self.course))
        self._restore(self._best)
        return self.course

    def rehearse(self, steps: Sequence[Step]) -> None:
        """Forward and backward of these steps, and nothing learned: does it fit, is it finite, how fast is it?"""
        for number, step in enumerate(steps):
            self._accumulate(step, number)
            self._optimizer.zero_grad(set_to_none=True)

    # One step

    def _step(self, tell: Tell) -> None:
        began, course = time.monotonic(), self.course
        step = self._plan[course.step]
        loss, figures = self._accumulate(step, course.step)
        norm = self._gradient_norm()
        if not (math.isfinite(loss) and math.isfinite(norm)):
            self._go_back()
            return
        self._take_step(norm)
        seconds = time.monotonic() - began
        course.step += 1
        tokens = sum(self._lengths[each] for micro in step for row in micro.rows for each in row)
        course.tokens += tokens
        course.seconds += seconds
        held_out = {}
        if course.step % self._settings.eval_every == 0 or course.step == len(self._plan):
            held_out = self._measure()
        if course.step % self._settings.save_every == 0:
            self._save()
        left = len(self._plan) - course.step
        tell(
            Measured(
                course.step,
                len(self._plan),
                {
                    "loss": loss,
                    **figures,
                    **{f"held_out_{name}": value for name, value in held_out.items()},
                    "learning_rate": self._rate(course.step),
                    "gradient_norm": norm,
                    "tokens_per_s": tokens / seconds,
                    "seconds_left": left * course.seconds / course.step,
                    "memory_bytes": float(memory_bytes(self._settings.device)),
                },
            )
        )

    def _accumulate(self, step: Step, number: int) -> tuple[float, dict[str, float]]:
        """Gradients of the step's loss are there, summed over all processes; the loss, and what else was measured."""
        self._model.train()
        self._optimizer.zero_grad(set_to_none=True)
        self._recipe.begin_step(self._model, step)
        total = self._recipe.total(step)
        loss, sums = 0.0, dict[str, float]()
        for index, micro in enumerate(shares(step, self._lengths, self._group.world)[self._group.rank]):
            # Dropout is the step's and the micro-batch's own, whatever went before.
            torch.manual_seed(hash((self._settings.seed, number, index)) & 0x7FFFFFFF)
            with self._autocast():
                summed, more = self._recipe.loss(self._model, micro)
            (summed * (self._scale / total)).backward()  # type: ignore[no-untyped-call]
            loss += float(summed.detach())
            for name, value in more.items():
                sums[name] = sums.get(name, 0.0) + value
        loss, sums = self._over_all(loss, sums)
        return loss / total, {name: value / total for name, value in sums.items()}

    def _over_all(self, loss: float, sums: dict[str, float]) -> tuple[float, dict[str, float]]:
        for each in self._trained.values():
            if each.grad is None:  # this process had no micro-batch of the step
                each.grad = torch.zeros_like(each)
        self._group.sum([each.grad for each in self._trained.values() if each.grad is not None])
        found = self._group.totals({**sums, "loss": loss})
        return found.pop("loss"), found

    def _gradient_norm(self) -> float:
        gradients = [each.grad for each in self._trained.values() if each.grad is not None]
        return float(torch.nn.utils.get_total_norm(gradients)) / self._scale

    def _take_step(self, norm: float) -> None:
        shorter = min(1.0, self._settings.clip_norm / (norm + 1e-6)) / self._scale
        for each in self._trained.values():
            assert each.grad is not None
            each.grad.mul_(shorter)
        for kind in self._optimizer.param_groups:
            kind["lr"] = self._rate(self.course.step + 1)
        self._optimizer.step()

    def _rate(self, step: int) -> float:
        settings = self._settings
        share = pace(
            step,
            len(self._plan),
            warmup_share=settings.warmup_share,
            min_rate_share=settings.min_rate_share,
        )
        return settings.learning_rate * self.course.rate_factor * share

    def _autocast(self) -> contextlib.AbstractContextManager[Any]:
        if self._settings.dtype == "fp32":
            return contextlib.nullcontext()
        return torch.autocast(self._settings.device, DTYPES[self._settings.dtype])

    # What is kept

    def _measure(self) -> dict[str, float]:
        self._model.eval()
        with torch.no_grad(), self._autocast():
            found = self._recipe.held_out(self._model)
        course = self.course
        course.held_out = found
        loss = found.get("loss", math.nan)
        if loss < course.best_loss or not self._best:
            course.best_loss, course.best_step = loss, course.step
            self._best = self.weights()
        return found

    def weights(self) -> Weights:
        """The adapter as it is now, on the CPU."""
        return {name: each.detach().to("cpu", copy=True) for name, each in self._trained.items()}

    @torch.no_grad()
    def _restore(self, weights: Mapping[str, Tensor]) -> None:
        for name, each in self._trained.items():
            each.copy_(weights[name])

    def _save(self) -> None:
        if self._group.rank == 0:
            tensors = {"adapter": self.weights(), "best": self._best, "optimizer": dict(self._moments())}
            self._checkpoints.save(self.course.step, tensors, self.course.state())
        self._group.barrier()

    def _moments(self) -> Iterator[tuple[str, Tensor]]:
        for name, each in self._trained.items():
            for moment, value in self._optimizer.state.get(each, {}).items():
                yield f"{name}/{moment}", value.detach().to("cpu", copy=True)

    def _resume(self) -> None:
        """From the newest checkpoint that is whole. Raises ResumeDiffers where it is another run's."""
        loaded = self._checkpoints.newest()
        if loaded is None:
            return
        self.course = Course(**loaded.state)
        self._best = dict(loaded.tensors["best"])
        self._restore(loaded.tensors["adapter"])
        moments: dict[str, dict[str, Tensor]] = {}
        for name, value in loaded.tensors["optimizer"].items():
            parameter, _, moment = name.rpartition("/")
            moments.setdefault(parameter, {})[moment] = value
        self._optimizer.state.clear()
        for name, state in moments.items():
            each = self._trained[name]
            # The count of steps stays where AdamW keeps it, on the CPU.
            self._optimizer.state[each] = {
                moment: value.clone() if moment == "step" else value.to(each.device, copy=True)
                for moment, value in state.items()
            }

    def _go_back(self) -> None:
        """To the last good checkpoint with half the rate. Raises Diverged."""
        at, before = self.course.step + 1, self.course
        if before.rollbacks >= MOST_ROLLBACKS:
            raise Diverged(at, len(self._plan), before.rollbacks)
        self._optimizer.zero_grad(set_to_none=True)
        self._resume()
        self.course.rollbacks = before.rollbacks + 1
        self.course.rate_factor = before.rate_factor / 2
        if self._settings.dtype == "fp16":
            self._scale = max(1.0, self._scale / 16)

    def _stops_early(self, asked: Asked) -> bool:
        """All processes do the same, whichever of them was asked. Raises Cancelled."""
        word = asked()
        if self._group.any(word == "end"):
            self._save()
            raise Cancelled
        late = self.course.seconds > self._settings.time_limit_s
        return self._group.any(word == "stop" or late)


def _nothing(course: Course) -> str:
    if course.step == 0:
        return "the run was stopped before its first step: there is nothing to keep"
    return (
        f"the held-out loss was {course.best_loss:.4f} before the first step and never lower after one; there is "
        "nothing to deploy. Lower learning_rate, give more examples, or look whether the held-out ones are alike"
    )


def memory_bytes(device: str) -> int:
    """What this process holds of the device's memory at the most so far, or of the machine's now."""
    if device == "cuda":
        return torch.cuda.max_memory_reserved()
    import psutil  # noqa: PLC0415 - only where no card tells

    return int(psutil.Process().memory_info().rss)
