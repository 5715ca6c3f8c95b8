"""The weights training begins with: heads that already know how to copy.

With ordinary random weights a network this small learns names by heart for hours before it finds out that they
can be copied. So layer 0 begins with heads that look at the token before, layer 1 with heads that look for the
place where the present token stood before and copy what followed it ("induction heads", Olsson et al. 2022),
and all values are copied unchanged but weakly by every head.
"""

import math

import torch
from torch import Tensor

from hone_trainer.starter.model import Starter

EMBEDDING_STD = 0.07
COMMON_NORM = 0.5  # of a direction that all tokens share: what position-only heads hold on to
PREVIOUS_HEADS = 4
INDUCTION_HEADS = 4
_SHARP = 7.5  # amplitude of q and k of a previous-token head: score gain 7.5² / √32 = 10
_MATCH = 1.6
_COPY = 0.5


@torch.no_grad()
def initialise(model: Starter, seed: int) -> None:
    """Set all weights of `model`, the same for the same seed."""
    rng = torch.Generator().manual_seed(seed)
    shape = model.shape
    common = _random(rng, shape.width)
    common *= COMMON_NORM / common.norm()
    model.pieces.weight.copy_(_random(rng, shape.vocabulary, shape.width) * EMBEDDING_STD + common)
    model.space.copy_(_random(rng, shape.width) * EMBEDDING_STD * 0.4)
    moved = _orthogonal(rng, shape.width)  # where the identity of the token before is kept
    for index, block in enumerate(model.blocks):
        values = _orthogonal(rng, shape.width)
        block.attention.qkv.weight.copy_(_random(rng, 3 * shape.width, shape.width) * 0.03)
        block.attention.qkv.weight[2 * shape.width :].copy_(values)
        block.attention.out.weight.copy_(values.T * (_COPY / math.sqrt(shape.layers)))
        block.gate_up.weight.copy_(_random(rng, 2 * shape.feed_forward, shape.width) / math.sqrt(shape.width))
        block.down.weight.copy_(_random(rng, shape.width, shape.feed_forward) * 0.01)
        if index == 0:
            _look_back(model, block.attention.qkv.weight, common)
            block.attention.out.weight.copy_(moved @ values.T)
        if index == 1:
            _induce(model, block.attention.qkv.weight, common, moved, rng)
            block.attention.out.weight.copy_(values.T * _COPY)


def _look_back(model: Starter, qkv: Tensor, common: Tensor) -> None:
    """Heads of layer 0 whose score is highest one token back, whatever the tokens are."""
    shape, half = model.shape, model.shape.head_width // 2
    frequency = shape.rope_theta ** (-torch.arange(half) / half)
    # After the norm a token has length sqrt(width), of which this much lies along the common direction.
    share = COMMON_NORM / math.hypot(COMMON_NORM, EMBEDDING_STD * math.sqrt(shape.width))
    reader = common / common.norm() / (share * math.sqrt(shape.width))
    for head in range(PREVIOUS_HEADS):
        for pair in range(4):  # the fast frequencies tell neighbours apart
            q = head * shape.head_width + pair
            k = shape.width + q
            qkv[q], qkv[q + half] = reader * _SHARP, 0.0
            qkv[k] = reader * (_SHARP * torch.cos(frequency[pair]))
            qkv[k + half] = reader * (_SHARP * torch.sin(frequency[pair]))


def _induce(model: Starter, qkv: Tensor, common: Tensor, moved: Tensor, rng: torch.Generator) -> None:
    """Heads of layer 1 that match the present token with the token before each earlier place."""
    shape, half = model.shape, model.shape.head_width // 2
    slow = [i for i in range(shape.head_width) if i % half >= 5]  # dimensions that hardly turn with distance
    direction = common / common.norm()
    for head in range(INDUCTION_HEADS):
        projection = _orthogonal(rng, shape.width)[: len(slow)]
        projection = projection - (projection @ direction)[:, None] * direction
        rows = torch.tensor([head * shape.head_width + i for i in slow])
        qkv[rows] = projection * _MATCH
        qkv[rows + shape.width] = (projection @ moved.T) * _MATCH


def _random(rng: torch.Generator, *size: int) -> Tensor:
    return torch.randn(*size, generator=rng)


def _orthogonal(rng: torch.Generator, size: int) -> Tensor:
    return torch.linalg.qr(_random(rng, size, size))[0]
