"""The training loop: resumable, on one thread or more, loss on answers only."""

import logging
import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor

from hone_trainer.starter import checkpoint, corpus
from hone_trainer.starter.corpus import Rows
from hone_trainer.starter.errors import TrainingDiverged
from hone_trainer.starter.initial import initialise
from hone_trainer.starter.model import Shape, Starter, packed_mask
from hone_trainer.starter.optimizer import optimizers_for
from hone_trainer.starter.recipe import Recipe
from hone_trainer.starter.shards import ShardReader
from hone_trainer.starter.tokenizer import END, Vocabulary

LOG_EVERY = 20
SAVE_EVERY = 100
CHECK_EVERY = 200
CHECK_SAMPLES = 200
SPLITS = ("names", "both", "empty")
# torch.compile halves the time of a step and costs a minute and a half.
COMPILE_FROM_STEPS = 900
COMPILE_FROM_SECONDS = 900
MEASURED_FROM = 20  # steps that pass before the pace is measured: the first ones compile

log = logging.getLogger(__name__)
Body = Callable[[Tensor, Tensor], Tensor]


@dataclass
class Run:
    """A training under way."""

    recipe: Recipe
    vocabulary: Vocabulary
    model: Starter
    out: Path
    step: int = 0
    tokens_read: int = 0
    passages_read: int = 0
    seconds: float = 0.0  # of training, in earlier runs too

    def __post_init__(self) -> None:
        self.muon, self.adam = optimizers_for(self.model, self.recipe.muon_lr, self.recipe.adam_lr)
        self.corpus = corpus.fingerprint(self.recipe.seed)
        # Shards of another corpus are left alone and never read.
        made_by = f"{self.corpus[:12]}-{self.recipe.fingerprint()[:12]}"
        self.shards = ShardReader(self.out / "shards" / made_by, self.out / "tokenizer.json", self.recipe)

    @property
    def checkpoints(self) -> Path:
        return self.out / "checkpoints"

    def state(self) -> dict[str, Any]:
        return {
            "model": self.model.state_dict(),
            "muon": self.muon.state_dict(),
            "adam": self.adam.state_dict(),
            "step": self.step,
            "tokens_read": self.tokens_read,
            "passages_read": self.passages_read,
            "seconds": self.seconds,
            "shard": self.shards.shard,
            "row": self.shards.row,
        }

    def restore(self, state: dict[str, Any]) -> None:
        self.model.load_state_dict(state["model"])
        self.muon.load_state_dict(state["muon"])
        self.adam.load_state_dict(state["adam"])
        for counter in ("step", "tokens_read", "passages_read", "seconds"):
            setattr(self, counter, state[counter])
        self.shards.shard, self.shards.row = state["shard"], state["row"]

    def save(self) -> Path:
        return checkpoint.save(
            self.checkpoints, self.step, self.state(), checkpoint.identity(self.recipe, self.corpus)
        )


def start(recipe: Recipe, vocabulary: Vocabulary, out: Path, *, resume: bool) -> Run:
    """A new run, or the one whose newest checkpoint lies under `out`."""
    shape = Shape(vocabulary.size, recipe.width, recipe.layers, recipe.heads, recipe.feed_forward)
    model = Starter(shape, vocabulary.twins)
    initialise(model, recipe.seed)
    run = Run(recipe, vocabulary, model, out)
    if resume:
        state = checkpoint.load_newest(run.checkpoints, checkpoint.identity(recipe, run.corpus))
        if state:
            run.restore(state)
            log.info("resumed at step %d", run.step)
    return run


def train(
    run: Run,
    steps: int | None = None,
    *,
    minutes: float = 0.0,
    save_every: int = SAVE_EVERY,
    stop_at: int | None = None,
) -> Run:
    """Train up to `steps` in all or, without, for about so many minutes from now; stop early at `stop_at`, as an
    interruption would. Raises TrainingDiverged."""
    compiled = (
        minutes * 60 > COMPILE_FROM_SECONDS if steps is None else steps - run.step >= COMPILE_FROM_STEPS
    )
    body: Body = torch.compile(run.model.hidden, dynamic=False) if compiled else run.model.hidden
    batches = run.shards.batches()
    progress = _Progress(run, time.monotonic() + minutes * 60)
    while (total := steps or progress.steps_in_time()) > run.step and run.step != stop_at:
        began = time.monotonic()
        batch = next(batches)
        loss = _step(run, body, batch, run.recipe.pace(run.step, total))
        run.step += 1
        run.tokens_read += int((batch.documents > 0).sum())
        run.passages_read += int((batch.targets == run.vocabulary.id(END)).sum())
        run.seconds += time.monotonic() - began
        progress.tell(loss, total)
        if run.step % CHECK_EVERY == 0:
            log.info("step %d  answers right to the letter: %s", run.step, exact_answers(run))
        if run.step % save_every == 0 or run.step in {total, stop_at}:
            run.save()
    batches.close()
    return run


class _Progress:
    """Prints how it goes, and knows how many steps fit into the time."""

    def __init__(self, run: Run, deadline: float) -> None:
        self._run = run
        self._deadline = deadline
        self._total: int | None = None
        self._losses: list[float] = []
        self._since, self._tokens, self._first = time.monotonic(), run.tokens_read, run.step
        self._measured_since = self._since

    def steps_in_time(self) -> int:
        """Steps in all by the deadline; settled once the pace is known, so that the decay can be planned."""
        done = self._run.step - self._first
        if done == MEASURED_FROM:
            self._measured_since = time.monotonic()
        if done == MEASURED_FROM + LOG_EVERY and self._total is None:
            now = time.monotonic()
            each_s = (now - self._measured_since) / LOG_EVERY
            self._total = self._run.step + max(1, int((self._deadline - now) / each_s))
            log.info("%.2f s a step: %d steps in all", each_s, self._total)
        return self._total or 10**9

    def tell(self, loss: float, total: int) -> None:
        self._losses.append(loss)
        run = self._run
        if run.step % LOG_EVERY:
            return
        now = time.monotonic()
        log.info(
            "step %d/%s  loss %.4f  %.2f M tokens  %.0f tokens/s",
            run.step,
            total if total < 10**9 else "?",
            sum(self._losses) / len(self._losses),
            run.tokens_read / 1e6,
            (run.tokens_read - self._tokens) / (now - self._since),
        )
        self._losses, self._since, self._tokens = [], now, run.tokens_read


def _step(run: Run, body: Body, batch: Rows, pace: float) -> float:
    for optimizer, rate in ((run.muon, run.recipe.muon_lr), (run.adam, run.recipe.adam_lr)):
        optimizer.zero_grad(set_to_none=True)
        for group in optimizer.param_groups:
            group["lr"] = rate * pace
    loss = answer_loss(run.model, batch, body)
    loss.backward()  # type: ignore[no-untyped-call]
    value = float(loss.detach())
    norm = torch.nn.utils.clip_grad_norm_(run.model.parameters(), 1.0)
    if not torch.isfinite(norm) or not math.isfinite(value):
        raise TrainingDiverged(run.step)
    run.muon.step()
    run.adam.step()
    return value


def answer_loss(model: Starter, batch: Rows, body: Body) -> Tensor:
    """Mean cross-entropy over the tokens of answers, their end included."""
    logits, targets = _answer_logits(model, batch, body)
    return F.cross_entropy(logits, targets)


def _answer_logits(model: Starter, batch: Rows, body: Body) -> tuple[Tensor, Tensor]:
    table = model.embedding()
    tokens, documents = torch.from_numpy(batch.tokens).long(), torch.from_numpy(batch.documents)
    hidden = body(F.embedding(tokens, table), packed_mask(documents))  # [rows, length, width]
    targets = torch.from_numpy(batch.targets).long().flatten()
    wanted = (targets >= 0).nonzero().squeeze(1)
    return hidden.flatten(0, 1)[wanted] @ table.T, targets[wanted]


@torch.no_grad()
def exact_answers(run: Run) -> dict[str, float]:
    """Share of held-out passages whose whole answer is the most likely one, token by token, a split at a time."""
    result: dict[str, float] = {}
    for split in SPLITS:
        drawn = corpus.evaluation_samples(run.recipe.seed, split, CHECK_SAMPLES)
        rows = corpus.packed(run.vocabulary, drawn, run.recipe.row_length)
        logits, targets = _answer_logits(run.model, rows, run.model.hidden)
        right = (logits.argmax(-1) == targets).numpy()
        owner = (rows.documents + 1000 * (1 + torch.arange(len(rows.tokens))[:, None].numpy()))[
            rows.targets >= 0
        ]
        wrong = {int(o) for o, r in zip(owner, right, strict=True) if not r}
        result[split] = round(1 - len(wrong) / len(drawn), 3)
    return result
