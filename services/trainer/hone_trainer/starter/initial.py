"""The weights training begins with: heads that already know how to copy.

With ordinary random weights a network this small learns names by heart for hours before it finds out that they
can be copied. So layer 0 begins with heads that note which token stood before, and layer 1 with heads that look
for the place where the present token stood before and copy what followed it ("induction heads", Olsson et al.
2022). To keep these apart from each other the width is divided: first what a token is, then one dimension that
is the same for all (what heads that only care for positions hold on to), then what the token before was.
"""

import math

import torch
from torch import Tensor

from hone_trainer.starter.model import Attention, Shape, Starter

EMBEDDING_STD = 0.07
COMMON = 0.5
PREVIOUS_HEADS = 2  # their values, side by side, are what is noted of the token before
FAST_PAIRS = 4  # rotary pairs that tell neighbours apart; the rest hardly turn with distance
_SHARP = 7.5  # amplitude of q and k of a previous-token head: score gain 7.5² / √32 = 10
_MATCH = 1.8
_COPY = 2.0


@torch.no_grad()
def initialise(model: Starter, seed: int) -> None:
    """Set all weights of `model`, the same for the same seed."""
    rng = torch.Generator().manual_seed(seed)
    shape = model.shape
    known = _identity_width(shape)
    model.pieces.weight.zero_()
    model.pieces.weight[:, :known] = _random(rng, shape.vocabulary, known) * EMBEDDING_STD
    model.pieces.weight[:, known] = COMMON
    model.space.copy_(_random(rng, shape.width) * EMBEDDING_STD * 0.4)
    # A head reads what was normed to length sqrt(width); what it writes joins an embedding of this length.
    gain = math.hypot(COMMON, EMBEDDING_STD * math.sqrt(known)) / math.sqrt(shape.width)
    for block in model.layers:
        values = _orthogonal(rng, shape.width)
        block.attention.qkv.weight.copy_(_random(rng, 3 * shape.width, shape.width) * 0.03)
        block.attention.qkv.weight[2 * shape.width :] = values
        block.attention.out.weight.copy_(values.T * (gain * 0.5 / math.sqrt(shape.layers)))
        block.gate_up.weight.copy_(_random(rng, 2 * shape.feed_forward, shape.width) / math.sqrt(shape.width))
        block.down.weight.copy_(_random(rng, shape.width, shape.feed_forward) * 0.001)
    noted = _orthogonal(rng, known)[: PREVIOUS_HEADS * shape.head_width]
    _look_back(shape, model.layers[0].attention, noted, gain)
    _induce(shape, model.layers[1].attention, noted, gain, rng)


def _identity_width(shape: Shape) -> int:
    return shape.width - PREVIOUS_HEADS * shape.head_width - 1


def _look_back(shape: Shape, attention: Attention, noted: Tensor, gain: float) -> None:
    """Heads whose score is highest one token back, whatever the tokens are, and which note that token."""
    qkv, out = attention.qkv.weight, attention.out.weight
    known, half = _identity_width(shape), shape.head_width // 2
    frequency = shape.rope_theta ** (-torch.arange(half) / half)
    # After the norm a token has this much of the dimension that all share.
    common = COMMON / math.hypot(COMMON, EMBEDDING_STD * math.sqrt(known)) * math.sqrt(shape.width)
    for head in range(PREVIOUS_HEADS):
        q = head * shape.head_width
        qkv[q : q + shape.head_width] = 0.0
        qkv[shape.width + q : shape.width + q + shape.head_width] = 0.0
        for pair in range(FAST_PAIRS):
            qkv[q + pair, known] = _SHARP / common
            qkv[shape.width + q + pair, known] = _SHARP / common * torch.cos(frequency[pair])
            qkv[shape.width + q + pair + half, known] = _SHARP / common * torch.sin(frequency[pair])
    rows = PREVIOUS_HEADS * shape.head_width
    qkv[2 * shape.width : 2 * shape.width + rows] = 0.0
    qkv[2 * shape.width : 2 * shape.width + rows, :known] = noted
    out[:, :rows] = 0.0
    out[known + 1 :, :rows] = torch.eye(rows) * gain


def _induce(shape: Shape, attention: Attention, noted: Tensor, gain: float, rng: torch.Generator) -> None:
    """Heads that match the present token with what was noted before each place, and copy what stands there."""
    qkv, out = attention.qkv.weight, attention.out.weight
    known, half, width = _identity_width(shape), shape.head_width // 2, shape.head_width
    slow = torch.tensor([i for i in range(width) if i % half > FAST_PAIRS])
    for head in range(known // width + 1):
        q = head * width
        chosen = torch.randperm(len(noted), generator=rng)[: len(slow)]
        qkv[q : q + width], qkv[shape.width + q : shape.width + q + width] = 0.0, 0.0
        qkv[q + slow, :known] = noted[chosen] * _MATCH
        qkv[shape.width + q + slow, known + 1 + chosen] = _MATCH
        copied = torch.arange(q, min(q + width, known))
        values = 2 * shape.width + q
        qkv[values : values + width], out[:, q : q + width] = 0.0, 0.0
        qkv[values + copied - q, copied] = 1.0
        out[copied, q + copied - q] = _COPY * gain


def _random(rng: torch.Generator, *size: int) -> Tensor:
    return torch.randn(*size, generator=rng)


def _orthogonal(rng: torch.Generator, size: int) -> Tensor:
    q: Tensor = torch.linalg.qr(_random(rng, size, size))[0]
    return q
