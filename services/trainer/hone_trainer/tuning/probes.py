"""Some sixty short questions of general ability, which a run on other things must not make a model forget.

A question is asked as everyone asks, through the chat template; of the answers to choose from, the model's is the one
that it holds the most likely by its length in bytes (Gao et al., lm-evaluation-harness, ``acc_norm``). No text is
generated: the same model gives the same answers, and a hundred questions take a few thousand tokens.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from hone_trainer.tuning.base import Reading
from hone_trainer.tuning.likelihood import Asked, log_likelihoods

CHANCE = 0.02
"""As likely as that may a loss be chance, and no more, to be called forgetting."""

_KNOWS = 2.0
"""Standard deviations above guessing from which on a model knows something that it could forget."""


class Probe(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    skill: str
    question: str
    right: str = Field(min_length=1)
    wrong: tuple[str, ...] = Field(min_length=1)


@dataclass(frozen=True)
class Answered:
    """``right``: of each probe, whether it was; ``options``: how many answers it had to choose from. ``confidence``:
    the share of belief that the right answers got."""

    right: tuple[bool, ...]
    options: tuple[int, ...]
    confidence: float

    @property
    def share(self) -> float:
        return sum(self.right) / len(self.right)

    @property
    def knows(self) -> bool:
        """Whether more is right than guesses would make so."""
        chances = [1 / each for each in self.options]
        spread = math.sqrt(sum(each * (1 - each) for each in chances))
        return sum(self.right) > sum(chances) + _KNOWS * spread


@cache
def probes() -> tuple[Probe, ...]:
    lines = Path(__file__).with_suffix(".jsonl").read_text(encoding="utf-8").splitlines()
    return tuple(Probe.model_validate_json(line) for line in lines)


def answer(
    model: Any, reading: Reading, asked: Sequence[Probe], step: Callable[[int], None] = lambda _done: None
) -> Answered:
    """What the model holds right; of equally likely answers the first wrong one."""
    sequences, lengths = [], []
    for probe in asked:
        prompt = _prompt(reading, probe.question)
        for text in (probe.right, *probe.wrong):
            sequences.append(_sequence(reading, prompt, text))
            lengths.append(len(text.encode()))
    likely = log_likelihoods(model, sequences, reading.pad_id, step)
    scores = np.array([float(each.sum()) / length for each, length in zip(likely, lengths, strict=True)])
    right, shares, at = [], [], 0
    for probe in asked:
        own = scores[at : at + 1 + len(probe.wrong)]
        at += len(own)
        right.append(bool(own[0] > own[1:].max()))
        with np.errstate(invalid="ignore"):  # a model that is not finite is told as one by its held-out loss
            shares.append(float(np.exp(own[0] - np.logaddexp.reduce(own))))
    return Answered(tuple(right), tuple(1 + len(each.wrong) for each in asked), sum(shares) / len(shares))


def forgotten(before: Answered, after: Answered, tolerance: float) -> str | None:
    """What was forgotten, in words; None where less than ``tolerance`` of the probes was, chance does as much, or
    nothing was known: Hone's own small model guesses, and other guesses are no loss.

    The exact test of McNemar (1947) on the probes that only one of the two answers right.
    """
    lost = sum(one and not other for one, other in zip(before.right, after.right, strict=True))
    won = sum(other and not one for one, other in zip(before.right, after.right, strict=True))
    within = lost - won <= tolerance * len(before.right)
    if within or not before.knows or _at_least(lost, lost + won) > CHANCE:
        return None
    total = len(before.right)
    return f"of {total} general probes {sum(before.right)} were right before and {sum(after.right)} are now"


def _at_least(heads: int, tosses: int) -> float:
    """The chance of so many heads or more."""
    return sum(math.comb(tosses, each) for each in range(heads, tosses + 1)) / 2.0**tosses


def _prompt(reading: Reading, question: str) -> list[int]:
    messages = [{"role": "user", "content": question}]
    text = reading.tokenizer.apply_chat_template(messages, add_generation_prompt=True, tokenize=False)
    return _ids(reading, text)


def _sequence(reading: Reading, prompt: list[int], text: str) -> Asked:
    tokens = [*prompt, *_ids(reading, text)]
    asked = np.arange(len(tokens)) >= len(prompt)
    return Asked(np.array(tokens, np.int32), asked)


def _ids(reading: Reading, text: Any) -> list[int]:
    found: list[int] = reading.tokenizer(text, add_special_tokens=False)["input_ids"]
    return found
