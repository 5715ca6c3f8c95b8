"""Several processes that train one adapter: who does what of a step, and how their gradients become one.

Each has the whole model and takes a part of every step; the gradients of the adapter are summed before the step is
taken, so all take the same one. A step is divided by what it trains in all (`recipe.Recipe.total`), so the course is
that of a single process with as large a batch, up to the order in which is summed.
"""

import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta

import torch
import torch.distributed as dist
from torch import Tensor

from hone_trainer.tuning.data.batches import MicroBatch, Step

_LONGEST_WAIT = timedelta(hours=2)  # the others wait while the first one merges a large model


@dataclass(frozen=True)
class Group:
    """``world`` processes, of which this is number ``rank``. Every one must come to each of these calls."""

    rank: int = 0
    world: int = 1
    device: str = "cpu"

    def sum(self, tensors: Sequence[Tensor]) -> None:
        """In place, over all processes. Each has as many, of the same shapes, in the same order."""
        if self.world == 1:
            return
        for dtype in dict.fromkeys(each.dtype for each in tensors):
            some = [each for each in tensors if each.dtype == dtype]
            # One message for all: an adapter has hundreds of matrices, each small.
            flat = torch.cat([each.detach().reshape(-1).to(self.device) for each in some])
            dist.all_reduce(flat)
            for each, summed in zip(some, torch.split(flat, [each.numel() for each in some]), strict=True):
                each.detach().copy_(summed.view(each.shape))

    def totals(self, figures: Mapping[str, float]) -> dict[str, float]:
        """The sum of each over all processes, also where some have none of it: they had no part of the step."""
        if self.world == 1:
            return dict(figures)
        names: list[list[str]] = [[] for _ in range(self.world)]
        dist.all_gather_object(names, sorted(figures))
        every = sorted({name for some in names for name in some})
        numbers = torch.tensor([figures.get(name, 0.0) for name in every], dtype=torch.float64)
        self.sum([numbers])
        return dict(zip(every, numbers.tolist(), strict=True))

    def any(self, here: bool) -> bool:
        """Whether it is so for one of them at least."""
        count = torch.tensor([float(here)])
        self.sum([count])
        return bool(count > 0)

    def barrier(self) -> None:
        """Goes on when all have come."""
        if self.world > 1:
            self.sum([torch.zeros(1)])  # gloo's and nccl's alike, on the device that was chosen


@contextmanager
def joined(device: str) -> Iterator[Group]:
    """The group that torchrun or Ray Train started this process in; a group of one where neither did.

    ``cuda`` talks over NCCL, one card a process; all else over gloo.
    """
    world = int(os.environ.get("WORLD_SIZE", "1"))
    if world == 1:
        yield Group(device=device)
        return
    ours = not dist.is_initialized()  # Ray Train has done it already
    if device == "cuda" and ours:
        torch.cuda.set_device(int(os.environ["LOCAL_RANK"]))
    if ours:
        dist.init_process_group("nccl" if device == "cuda" else "gloo", timeout=_LONGEST_WAIT)
    try:
        yield Group(dist.get_rank(), dist.get_world_size(), device if device == "cuda" else "cpu")
    finally:
        if ours:
            dist.destroy_process_group()


def shares(step: Step, lengths: Sequence[int], world: int) -> list[Step]:
    """What each of ``world`` processes does of a step: every sequence once, and to each about as many padded tokens.

    Follows from its arguments alone. A process has nothing to do where there are fewer sequences than processes.
    """
    if world == 1:
        return [step]
    pieces = list(step)
    while len(pieces) % world or len(pieces) < world:
        largest = max(
            (each for each in pieces if _divisible(each)), key=lambda each: _size(each, lengths), default=None
        )
        if largest is None:
            break
        at = pieces.index(largest)
        pieces[at : at + 1] = _halves(largest)
    parts: list[list[MicroBatch]] = [[] for _ in range(world)]
    loads = [0] * world
    # The largest first, each to who has the least (Graham 1969: at most a third more than the best there is).
    for piece in sorted(pieces, key=lambda each: (-_size(each, lengths), each.rows)):
        least = loads.index(min(loads))
        parts[least].append(piece)
        loads[least] += _size(piece, lengths)
    return [tuple(part) for part in parts]


def _size(micro: MicroBatch, lengths: Sequence[int]) -> int:
    return len(micro.rows) * max(sum(int(lengths[each]) for each in row) for row in micro.rows)


def _divisible(micro: MicroBatch) -> bool:
    return len(micro.rows) > 1 or len(micro.rows[0]) > 1


def _halves(micro: MicroBatch) -> list[MicroBatch]:
    """Rows lie sorted by length: neighbours stay together, so that no row is padded to a longer one than before."""
    rows = micro.rows
    if len(rows) > 1:
        middle = (len(rows) + 1) // 2
        return [MicroBatch(rows[:middle]), MicroBatch(rows[middle:])]
    return [MicroBatch((rows[0][0::2],)), MicroBatch((rows[0][1::2],))]
