"""KTO from thumbs up and down (Ethayarajh et al. 2024, Kahneman-Tversky optimisation; in brackets their formulas).

The whole recipe, from top to bottom:

1. An example is a prompt, one answer, and whether people were for it. Nothing is paired.
2. Its reward is r = log p(answer) - log p0(answer), summed over the answer's tokens. p0 is the model as the run
   began: the base, which is this very model with its adapter off, or the champion, whose adapter is put back for it.
   No second copy of the model is kept.
3. Rewards are judged from z = max(0, mean r) over answers that were given to other prompts of the step: the paper's
   biased estimate of the distance KL(p, p0). It has no gradient. As a step is cut into micro-batches, it is found for
   the whole step before the first loss.
4. The loss of an example is g·(1 - sigmoid(beta·(r - z))) for a good one, b·(1 - sigmoid(beta·(z - r))) for a bad
   one (8).
5. g and b are such that g·good / (b·bad) lies in [1, 4/3], whichever the data holds more of (9).
6. The loss of a step is the mean over its examples, each weighted like what people said.
7. The checkpoint with the lowest held-out loss is the result; there both sides count alike.
"""

import contextlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from hone_trainer.tuning.base import DTYPES
from hone_trainer.tuning.data.batches import MicroBatch, Step, plan
from hone_trainer.tuning.data.tokenised import Tokenised
from hone_trainer.tuning.distributed import Group
from hone_trainer.tuning.errors import OneSided
from hone_trainer.tuning.settings import Decided, Settings
from hone_trainer.tuning.sft import trained_losses

LEAST_RATIO, MOST_RATIO = 1.0, 4 / 3
"""Of the good side's weight to the bad side's (9)."""

MOST_WEIGHT = 100.0

Weights = dict[str, Tensor]


class KahnemanTversky:
    """A `recipe.Recipe`. Raises OneSided."""

    def __init__(
        self, train: Tokenised, held_out: Tokenised, settings: Decided, pad_id: int, *,
        start: Weights | None = None, group: Group | None = None,
    ) -> None:  # fmt: skip
        """``start``: the adapter that the run goes on from, a copy that is this recipe's own. Of several processes
        that share ``group`` each finds its part of a step's z."""
        self._train, self._beta = train, settings.kto_beta
        self._balance = balance(train, settings)
        self._likelihoods = Likelihoods(settings, pad_id, start, group or Group())
        self._held_out = _HeldOut(held_out, settings, Likelihoods(settings, pad_id, start, Group()))
        self._distance = 0.0

    def begin_step(self, model: Any, step: Step) -> None:
        self._distance = self._likelihoods.distance(model, Swapped(self._train, members_of(step)))

    def total(self, step: Step) -> float:
        return sum(float(self._train.weights[each]) for each in members_of(step))

    def loss(self, model: Any, micro: MicroBatch) -> tuple[Tensor, dict[str, float]]:
        """``reward``: beta·r of good examples, -beta·r of bad ones. ``told_apart``: the share that lies on its side
        of z. ``distance``: z, nats."""
        before = self._likelihoods.before(model, self._train, micro)
        rewards = self._likelihoods.now(model, self._train, micro) - before
        good, weights = _judged(self._train, members_of((micro,)), rewards)
        losses = kto_losses(rewards, good, self._distance, self._beta, self._balance)
        found = rewards.detach()
        signed = torch.where(good, found, -found)
        apart = torch.where(good, found > self._distance, found < self._distance)
        return (losses * weights).sum(), {
            "reward": float((signed * weights).sum()) * self._beta,
            "told_apart": float((apart * weights).sum()),
            "distance": float(weights.sum()) * self._distance,
        }

    def held_out(self, model: Any) -> dict[str, float]:
        return self._held_out(model)


@dataclass(frozen=True)
class Balance:
    """What a good example and a bad one weigh in the loss: g and b."""

    good: float = 1.0
    bad: float = 1.0


def balance(data: Tokenised, settings: Settings) -> Balance:
    """What was set; else the least that brings g·good / (b·bad) into [1, 4/3]. Raises OneSided."""
    assert data.labels is not None
    good, bad = float(data.weights[data.labels].sum()), float(data.weights[~data.labels].sum())
    if not (good > 0 and bad > 0):
        raise OneSided(int(data.labels.sum()), int((~data.labels).sum()))
    told_good, told_bad = settings.kto_good_weight, settings.kto_bad_weight
    g, b = (1.0 if each == "auto" else each for each in (told_good, told_bad))
    ratio = g * good / (b * bad)
    aimed = min(max(ratio, LEAST_RATIO), MOST_RATIO)
    # The rarer side is raised; where that one was set, the other is lowered.
    if told_good == "auto" and (ratio < aimed or told_bad != "auto"):
        g *= aimed / ratio
    elif told_bad == "auto":
        b *= ratio / aimed
    return Balance(min(g, MOST_WEIGHT), min(b, MOST_WEIGHT))


def kto_losses(rewards: Tensor, good: Tensor, distance: float, beta: float, weights: Balance) -> Tensor:
    """rewards [examples] (nats), good [examples] bool -> losses [examples]."""
    away = beta * (rewards - distance)
    return torch.where(good, weights.good * torch.sigmoid(-away), weights.bad * torch.sigmoid(away))


@dataclass(frozen=True)
class Likelihoods:
    """How likely answers are to the model as it is, and as the run began."""

    settings: Decided
    pad_id: int
    start: Weights | None
    group: Group

    def now(
        self, model: Any, data: "Tokenised | Swapped", micro: MicroBatch, *, packed: bool = True
    ) -> Tensor:
        """Log likelihood of each answer, nats, [sequences of the micro-batch] in the order of its rows. ``packed``:
        where packing is set, rows are."""
        settings = self.settings if packed else self.settings.model_copy(update={"packing": False})
        losses, _ = trained_losses(model, data, micro, settings, self.pad_id)  # type: ignore[arg-type]  # all it reads
        counts = [int(data.trained(each).sum()) for each in members_of((micro,))]
        return torch.stack([-part.sum() for part in torch.split(losses, counts)])

    def before(
        self, model: Any, data: "Tokenised | Swapped", micro: MicroBatch, *, packed: bool = True
    ) -> Tensor:
        with as_it_began(model, self.start):
            return self.now(model, data, micro, packed=packed)

    def distance(self, model: Any, swapped: "Swapped") -> float:
        """z, nats; 0 of no pairs. The same in all processes of the group."""
        if not len(swapped):
            return 0.0
        [step] = plan(
            swapped.lengths, batch=len(swapped), micro_tokens=self.settings.micro_tokens, packed=False, epochs=1.0,
            seed=0,
        )  # fmt: skip
        found = torch.zeros(1, dtype=torch.float64)
        with torch.no_grad(), calm(model), _autocast(self.settings):
            for micro in step[self.group.rank :: self.group.world]:
                rewards = self.now(model, swapped, micro, packed=False)
                rewards = rewards - self.before(model, swapped, micro, packed=False)
                found += rewards.double().sum().cpu()
        self.group.sum([found])
        return max(0.0, float(found) / len(swapped))


class Swapped:
    """Prompts with the answers of others. A pair that is longer than what is trained is cut, so that it takes no more
    memory."""

    def __init__(self, data: Tokenised, members: Sequence[int]) -> None:
        longest = int(data.lengths.max())
        pairs = [_swap(data, each, other) for each, other in partners(data, members)]
        pairs = [(tokens[:longest], trained[:longest]) for tokens, trained in pairs]
        self._pairs = [each for each in pairs if each[1].any()]
        self.lengths = np.array([len(tokens) for tokens, _ in self._pairs], np.int64)
        self.weights = np.ones(len(self._pairs), np.float32)

    def __len__(self) -> int:
        return len(self._pairs)

    def tokens(self, i: int) -> NDArray[np.int32]:
        return self._pairs[i][0]

    def trained(self, i: int) -> NDArray[np.bool_]:
        return self._pairs[i][1]


def partners(data: Tokenised, members: Sequence[int]) -> list[tuple[int, int]]:
    """Each sequence with the one whose answer it is given: the next with another prompt, in an order that goes
    neither by length nor by which rows stand side by side (Fibonacci hashing)."""
    order = sorted(members, key=lambda each: each * 2_654_435_769 & 0xFFFFFFFF)
    prompts = [data.tokens(each)[: _start(data, each)].tobytes() for each in order]
    following: list[int | None] = [None] * len(order)
    for place in reversed(range(2 * len(order))):  # twice around: the last ones go on at the beginning
        here, after = place % len(order), (place + 1) % len(order)
        following[here] = following[after] if prompts[after] == prompts[here] else after
    return [(each, order[other]) for each, other in zip(order, following, strict=True) if other is not None]


def _swap(data: Tokenised, prompt: int, answer: int) -> tuple[NDArray[np.int32], NDArray[np.bool_]]:
    end, start = _start(data, prompt), _start(data, answer)
    tokens = np.concatenate([data.tokens(prompt)[:end], data.tokens(answer)[start:]])
    trained = np.concatenate([np.zeros(end, np.bool_), data.trained(answer)[start:]])
    return tokens, trained


def _start(data: Tokenised, each: int) -> int:
    """Where the answer begins."""
    return int(np.argmax(data.trained(each)))


def members_of(step: Step) -> list[int]:
    return [each for micro in step for row in micro.rows for each in row]


def _judged(data: Tokenised, members: Sequence[int], like: Tensor) -> tuple[Tensor, Tensor]:
    """Labels and weights, [examples] each, where ``like`` is."""
    assert data.labels is not None
    chosen = np.asarray(members, np.int64)
    good, weights = torch.from_numpy(data.labels[chosen]), torch.from_numpy(data.weights[chosen])
    return good.to(like.device), weights.to(like.device, torch.float32)


class _HeldOut:
    """The loss over what is never trained on, good and bad sides alike. What the model said of it as the run began is
    found once."""

    def __init__(self, data: Tokenised, settings: Decided, likelihoods: Likelihoods) -> None:
        self._data, self._beta, self._likelihoods = data, settings.kto_beta, likelihoods
        steps = plan(
            data.lengths, batch=len(data), micro_tokens=settings.micro_tokens, packed=settings.packing, epochs=1.0,
            seed=0,
        )  # fmt: skip
        self._micros = [micro for step in steps for micro in step]
        self._members = members_of(tuple(self._micros))
        self._swapped = Swapped(data, self._members)
        self._before: Tensor | None = None

    def __call__(self, model: Any) -> dict[str, float]:
        """``loss``, ``good_reward`` and ``bad_reward`` (beta·r), ``distance`` (z)."""
        with torch.no_grad(), calm(model):
            if self._before is None:
                self._before = self._all(self._likelihoods.before, model)
            rewards = self._all(self._likelihoods.now, model) - self._before
        z = self._likelihoods.distance(model, self._swapped)
        good, weights = _judged(self._data, self._members, rewards)
        losses = kto_losses(rewards, good, z, self._beta, Balance())
        sides = [side for side in (good, ~good) if side.any()]
        return {
            "loss": sum(_mean(losses, weights, side) for side in sides) / len(sides),
            "good_reward": self._beta * _mean(rewards, weights, good),
            "bad_reward": self._beta * _mean(rewards, weights, ~good),
            "distance": z,
        }

    def _all(self, likelihoods: Callable[..., Tensor], model: Any) -> Tensor:
        return torch.cat([likelihoods(model, self._data, micro) for micro in self._micros]).double()


def _mean(values: Tensor, weights: Tensor, side: Tensor) -> float:
    """0 of a side that is empty."""
    weight = float(weights[side].sum())
    return float((values[side] * weights[side]).sum()) / weight if weight else 0.0


def adapter_of(model: Any) -> Weights:
    """A copy of all that is trained."""
    return {name: each.detach().clone() for name, each in model.named_parameters() if each.requires_grad}


@contextlib.contextmanager
def as_it_began(model: Any, start: Weights | None) -> Iterator[None]:
    """With the adapter that the run went on from, or none; no dropout, no gradient."""
    with torch.no_grad(), calm(model):
        if start is None:
            with model.disable_adapter():
                yield
            return
        trained = {name: each for name, each in model.named_parameters() if name in start}
        _exchange(trained, start)
        try:
            yield
        finally:
            _exchange(trained, start)


def _exchange(trained: Mapping[str, Tensor], weights: Weights) -> None:
    """What lies in either lies in the other, and nothing is copied."""
    for name, each in trained.items():
        each.data, weights[name] = weights[name], each.data


@contextlib.contextmanager
def calm(model: Any) -> Iterator[None]:
    """Without dropout; afterwards as it was."""
    training = model.training
    model.eval()
    try:
        yield
    finally:
        model.train(training)


def _autocast(settings: Decided) -> contextlib.AbstractContextManager[Any]:
    """As the loop computes losses: two likelihoods that are subtracted are rounded alike."""
    if settings.dtype == "fp32":
        return contextlib.nullcontext()
    return torch.autocast(settings.device, DTYPES[settings.dtype])
