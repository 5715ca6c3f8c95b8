"""How likely a model holds tokens that are there: what held-out losses, probes and the health check go by."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from hone_trainer.tuning.loss import token_losses
from hone_trainer.tuning.sft import decoder_of, head_of, vocabulary_of

AT_ONCE_TOKENS = 4096
"""Padded tokens that go through the model at once."""

Bools = NDArray[np.bool_]
Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Asked:
    """A sequence: ``tokens`` [length] int32; ``asked`` [length] bool, which of them are to be predicted. The first of
    all never is."""

    tokens: NDArray[np.int32]
    asked: Bools


@torch.no_grad()
def log_likelihoods(
    model: Any, sequences: Sequence[Asked], pad_id: int, step: Callable[[int], None] = lambda _done: None
) -> list[Floats]:
    """Of each sequence the log likelihood of every token that is asked for, nats, [asked] each.

    ``step`` hears how many sequences are done. The model may carry an adapter.
    """
    head, vocabulary = head_of(model), vocabulary_of(model)
    found: list[Floats] = [np.empty(0)] * len(sequences)
    done = 0
    for batch in _batches(sequences):
        hidden, targets, counts = _hidden(model, [sequences[place] for place in batch], pad_id)
        losses = token_losses(hidden, targets, head, vocabulary).double().cpu().numpy()
        for place, part in zip(batch, np.split(-losses, np.cumsum(counts)[:-1]), strict=True):
            found[place] = part
        done += len(batch)
        step(done)
    return found


def _batches(sequences: Sequence[Asked]) -> list[list[int]]:
    """Places of sequences of about the same length, the longest first: what needs too much memory needs it soon."""
    batches: list[list[int]] = []
    longest = 0
    for place in sorted(range(len(sequences)), key=lambda each: -len(sequences[each].tokens)):
        if not batches or (len(batches[-1]) + 1) * longest > AT_ONCE_TOKENS:
            batches.append([])
            longest = len(sequences[place].tokens)
        batches[-1].append(place)
    return batches


def _hidden(model: Any, batch: Sequence[Asked], pad_id: int) -> tuple[Tensor, Tensor, list[int]]:
    """States from which the asked tokens follow [asked, width], these tokens [asked], and how many each has."""
    length = max(len(each.tokens) for each in batch)
    ids = np.full((len(batch), length), pad_id, np.int64)
    there, asked = np.zeros((2, len(batch), length), bool)
    for row, each in enumerate(batch):
        ids[row, : len(each.tokens)] = each.tokens
        there[row, : len(each.tokens)] = True
        asked[row, : len(each.tokens)] = each.asked
    asked[:, 0] = False
    decoder = decoder_of(model)
    device = next(decoder.parameters()).device
    tokens, mask, wanted = (
        torch.from_numpy(each).to(device) for each in (ids, there.astype(np.int64), asked)
    )
    states = decoder(input_ids=tokens, attention_mask=mask, use_cache=False).last_hidden_state
    return states[:, :-1][wanted[:, 1:]], tokens[:, 1:][wanted[:, 1:]], asked.sum(1).tolist()
