"""The training loop: loss on answers only, stops before a step that is no number."""

import math
import time
from collections.abc import Iterator, Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass

import torch
import torch.nn.functional as F  # noqa: N812 - as everyone calls it
from torch import Tensor

from hone_trainer.finetune.errors import Diverged, TimeOver
from hone_trainer.finetune.lessons import Batch, Lesson, batch_of
from hone_trainer.finetune.spec import Settings
from hone_trainer.starter.model import Starter, packed_mask
from hone_trainer.starter.optimizer import optimizers_for

_CHECKED_TOGETHER = 64  # lessons whose loss is measured at once


@dataclass(frozen=True, slots=True)
class Step:
    """A step that was taken. The held-back losses, by name, are there where they were measured after it."""

    number: int
    loss: float
    held_back: dict[str, float]
    pace: float
    """What the learning rates were multiplied with."""

    tokens: int
    tokens_per_s: float


def train(
    model: Starter,
    batches: Sequence[Batch],
    held_back: Mapping[str, Sequence[Lesson]],
    settings: Settings,
) -> Iterator[Step]:
    """Takes a step for each batch and tells of it. Raises Diverged, TimeOver."""
    before = deepcopy(model).requires_grad_(False)
    muon, adam = optimizers_for(model, settings.muon_lr, settings.adam_lr)
    total = len(batches)
    checks = {math.ceil(total * (check + 1) / settings.checks) for check in range(settings.checks)}
    deadline = time.monotonic() + settings.time_limit_s
    for number, batch in enumerate(batches, 1):
        began = time.monotonic()
        if began > deadline:
            raise TimeOver(settings.time_limit_s, number - 1, total)
        pace = _pace(number, total, settings.warmup_share)
        for optimizer, rate in ((muon, settings.muon_lr), (adam, settings.adam_lr)):
            optimizer.zero_grad(set_to_none=True)
            for group in optimizer.param_groups:
                group["lr"] = rate * pace
        loss = loss_of(model, before, batch)
        loss.backward()  # type: ignore[no-untyped-call]
        norm = torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        value = float(loss.detach())
        if not math.isfinite(value) or not bool(torch.isfinite(norm)):
            raise Diverged(number, total)
        muon.step()
        adam.step()
        each_s = time.monotonic() - began
        losses = mean_losses(model, held_back) if number in checks else {}
        yield Step(number, value, losses, pace, batch.read, batch.read / each_s)


def mean_losses(model: Starter, held_back: Mapping[str, Sequence[Lesson]]) -> dict[str, float]:
    """Mean cross-entropy over the tokens of answers, by name; nothing for no lessons."""
    return {name: _mean_loss(model, lessons) for name, lessons in held_back.items() if lessons}


@torch.no_grad()
def _mean_loss(model: Starter, lessons: Sequence[Lesson]) -> float:
    total, count = 0.0, 0
    for begin in range(0, len(lessons), _CHECKED_TOGETHER):
        logits, targets = _answer_logits(model, batch_of(lessons[begin : begin + _CHECKED_TOGETHER], pad=0))
        total, count = total + float(F.cross_entropy(logits, targets, reduction="sum")), count + len(targets)
    return total / max(count, 1)


def loss_of(model: Starter, before: Starter, batch: Batch) -> Tensor:
    """The mean over the tokens of answers, by their weights: cross-entropy with the right answer or, where it is to
    be recalled, the divergence from how it was answered before (Li and Hoiem, Learning without Forgetting, 2016)."""
    logits, targets = _answer_logits(model, batch)
    with torch.no_grad():
        old = _answer_logits(before, batch.first(batch.recalled))[0].log_softmax(-1)
    new = logits[: len(old)].log_softmax(-1)
    apart = F.kl_div(new, old, reduction="none", log_target=True).sum(-1)
    taught = F.cross_entropy(logits[len(old) :], targets[len(old) :], reduction="none")
    weights = torch.from_numpy(batch.weights[batch.targets >= 0])
    return (torch.cat([apart, taught]) * weights).sum() / weights.sum()


def _answer_logits(model: Starter, batch: Batch) -> tuple[Tensor, Tensor]:
    """[answer tokens, vocabulary] and [answer tokens]: only where an answer is, for the vocabulary is the widest
    matrix."""
    table = model.embedding()
    targets = torch.from_numpy(batch.targets).flatten()
    wanted = (targets >= 0).nonzero().squeeze(1)
    tokens, documents = torch.from_numpy(batch.tokens), torch.from_numpy(batch.documents)
    hidden = model.hidden(F.embedding(tokens, table), packed_mask(documents))  # [rows, length, width]
    return hidden.flatten(0, 1)[wanted] @ table.T, targets[wanted]


def _pace(number: int, total: int, warmup_share: float) -> float:
    """Up over the warm-up, then down to nothing, in straight lines."""
    warmup = max(1, round(total * warmup_share))
    return min(number / warmup, (total - number + 1) / max(1, total - warmup + 1), 1.0)
