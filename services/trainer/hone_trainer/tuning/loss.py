"""The loss of trained tokens, through a head that is frozen.

The logits of a large vocabulary are the largest thing of a training step, and most are of tokens that are not
trained. They are computed for trained tokens alone, a piece at a time, and kept for none: as the head does not learn,
all that must stay of a piece is the gradient of its losses by its hidden states, and that is as small as these. The
idea is that of fused linear cross-entropy (Hsu et al. 2024, Liger Kernel).
"""

from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

Head = Callable[[Tensor], Tensor]
"""[tokens, width] -> logits [tokens, vocabulary], whatever is between: a soft cap, a scale."""

_PIECE_LOGITS = 1 << 24  # 64 MiB in fp32


def token_losses(hidden: Tensor, targets: Tensor, head: Head, vocabulary: int) -> Tensor:
    """Negative log likelihood of each target, nats: hidden [tokens, width], targets [tokens] -> [tokens], fp32."""
    piece = max(32, _PIECE_LOGITS // vocabulary)
    if torch.is_grad_enabled() and hidden.requires_grad:
        losses: Tensor = _Frozen.apply(hidden, targets, head, piece)
        return losses
    with torch.no_grad():
        return torch.cat([_losses(part, wanted, head) for part, wanted in _pieces(hidden, targets, piece)])


class _Frozen(torch.autograd.Function):
    """Each token's loss depends on its own hidden state alone, so one gradient a token is all that backward needs."""

    @staticmethod
    def forward(ctx: Any, hidden: Tensor, targets: Tensor, head: Head, piece: int) -> Tensor:
        losses, slopes = [], []
        for part, wanted in _pieces(hidden, targets, piece):
            with torch.enable_grad():
                leaf = part.detach().requires_grad_()
                each = _losses(leaf, wanted, head)
                (slope,) = torch.autograd.grad(each.sum(), leaf)
            losses.append(each.detach())
            slopes.append(slope)
        ctx.save_for_backward(torch.cat(slopes))
        return torch.cat(losses)

    @staticmethod
    def backward(ctx: Any, *outer: Tensor) -> tuple[Tensor, None, None, None]:
        (slopes,) = ctx.saved_tensors
        return (slopes * outer[0].unsqueeze(1)).to(slopes.dtype), None, None, None


def _losses(hidden: Tensor, targets: Tensor, head: Head) -> Tensor:
    return functional.cross_entropy(head(hidden).float(), targets, reduction="none")


def _pieces(hidden: Tensor, targets: Tensor, piece: int) -> Iterator[tuple[Tensor, Tensor]]:
    for start in range(0, len(targets), piece):
        yield hidden[start : start + piece], targets[start : start + piece]
