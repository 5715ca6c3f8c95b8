"""Which sequences a step learns from, how they are cut into micro-batches, and the tensors of one.

The plan is a function of its arguments alone: a run that is resumed plans again, and goes on at its step.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

NOT_TRAINED = -100
_MICRO_COST_TOKENS = 64
"""What a micro-batch costs beside its tokens, in tokens: below that, sparing padding does not pay for one more."""


@dataclass(frozen=True)
class MicroBatch:
    """What goes through the model at once. Each row names the sequences that stand in it one after the other: one,
    unless they are packed."""

    rows: tuple[tuple[int, ...], ...]


Step = tuple[MicroBatch, ...]


class Sequences(Protocol):
    """Of `Tokenised`, what a batch is made of."""

    @property
    def weights(self) -> NDArray[np.float32]: ...
    def tokens(self, i: int) -> NDArray[np.int32]: ...
    def trained(self, i: int) -> NDArray[np.bool_]: ...


def plan(
    lengths: Sequence[int] | NDArray[np.int64],
    *,
    batch: int,
    micro_tokens: int,
    packed: bool,
    epochs: float,
    seed: int,
) -> list[Step]:
    """Steps of ``batch`` sequences each (all there are, if these are fewer), drawn without replacement: each sequence
    is drawn once before any is drawn again. The steps are as many as come nearest to ``epochs``, one at least.

    Inside a step sequences stand sorted by length in micro-batches of at most ``micro_tokens`` tokens with their
    padding; a longer one stands alone. Packed, several short ones share a row as long as the step's longest.
    """
    sizes = np.asarray(lengths, np.int64)
    count = len(sizes)
    if not count:
        return []
    batch = min(batch, count)
    drawn = _drawn(count, seed)
    steps = []
    for _ in range(max(1, round(epochs * count / batch))):
        members = sorted(islice(drawn, batch), key=lambda each: (-int(sizes[each]), each))
        if packed:
            rows = _packed(members, sizes)
            filled = np.array([sizes[list(row)].sum() for row in rows], np.int64)
            order = sorted(range(len(rows)), key=lambda row: -int(filled[row]))
            groups = _cut([int(filled[row]) for row in order], micro_tokens)
            steps.append(
                tuple(MicroBatch(tuple(rows[order[at]] for at in range(*group))) for group in groups)
            )
        else:
            groups = _cut([int(sizes[each]) for each in members], micro_tokens)
            steps.append(tuple(MicroBatch(tuple((members[at],) for at in range(*group))) for group in groups))
    return steps


def _drawn(count: int, seed: int) -> Iterator[int]:
    """All sequences in some order, then all in another, without end."""
    epoch = 0
    while True:
        # This generator's numbers are promised to stay the same in every version of numpy.
        yield from map(int, np.random.RandomState([seed % 2**32, epoch]).permutation(count))
        epoch += 1


def _cut(sizes: Sequence[int], micro_tokens: int) -> list[tuple[int, int]]:
    """Where to cut rows, sorted from the longest, into micro-batches ``[start, stop)``: the least padding, each
    micro-batch counted as some tokens more. Found by dynamic programming over the last cut."""
    best = [0.0]
    cut_before = [0]
    for stop in range(1, len(sizes) + 1):
        chosen, cost = stop - 1, best[stop - 1] + sizes[stop - 1]
        for start in range(stop - 2, -1, -1):
            tokens = (stop - start) * sizes[start]
            if tokens > micro_tokens:
                break
            if best[start] + tokens < cost:
                chosen, cost = start, best[start] + tokens
        best.append(cost + _MICRO_COST_TOKENS)
        cut_before.append(chosen)
    groups = []
    stop = len(sizes)
    while stop:
        groups.append((cut_before[stop], stop))
        stop = cut_before[stop]
    return groups[::-1]


def _packed(members: Sequence[int], sizes: NDArray[np.int64]) -> list[tuple[int, ...]]:
    """Rows as long as the longest sequence, the first of ``members``: each, from the longest, into the first row that
    has room for it (first fit decreasing)."""
    room_of_row = int(sizes[members[0]])
    rows: list[list[int]] = []
    room: list[int] = []
    for each in members:
        size = int(sizes[each])
        place = next((at for at, left in enumerate(room) if left >= size), len(rows))
        if place == len(rows):
            rows.append([])
            room.append(room_of_row)
        rows[place].append(each)
        room[place] -= size
    return [tuple(row) for row in rows]


def collate(data: Sequences, micro: MicroBatch, pad_id: int) -> dict[str, Tensor]:
    """Tensors [rows, length] each.

    ``input_ids``, ``labels`` (-100 where not trained; not shifted) and ``position_ids`` int64, ``weights`` float32,
    ``sequence_ids`` int64: 0 is padding, sequences of a row count from 1. Positions begin again at each sequence and
    go on through the padding behind the last, which comes after all that could look at it.
    """
    length = max(sum(len(data.tokens(each)) for each in row) for row in micro.rows)
    shape = (len(micro.rows), length)
    ids, labels = np.full(shape, pad_id, np.int64), np.full(shape, NOT_TRAINED, np.int64)
    weights = np.zeros(shape, np.float32)
    positions, sequences = np.zeros(shape, np.int64), np.zeros(shape, np.int64)
    for at, row in enumerate(micro.rows):
        start = 0
        for number, each in enumerate(row, 1):
            tokens, trained = data.tokens(each), data.trained(each)
            span = slice(start, start + len(tokens))
            ids[at, span] = tokens
            labels[at, span] = np.where(trained, tokens, NOT_TRAINED)
            labels[at, start] = NOT_TRAINED  # what stands before it belongs to another sequence
            weights[at, span], sequences[at, span] = data.weights[each], number
            positions[at, start:] = np.arange(length - start)
            start += len(tokens)
    told = {
        "input_ids": ids, "labels": labels, "weights": weights, "position_ids": positions, "sequence_ids": sequences,
    }  # fmt: skip
    return {name: torch.from_numpy(each) for name, each in told.items()}


def attention_mask(sequence_ids: Tensor, packed: bool, dtype: torch.dtype) -> Tensor | None:
    """None, for none is needed where ``position_ids`` are given.

    Padding stands behind everything that is trained, where causal attention does not look; without a mask the fast
    causal kernels do. In packed rows transformers sees by positions that begin again where a sequence begins, and
    makes each layer's own mask, of whatever width its window has (`masking_utils.find_packed_sequence_indices`): so
    with all families that the hub converts.
    """
    del sequence_ids, packed, dtype
    return None
