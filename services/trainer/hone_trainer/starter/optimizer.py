"""Muon for the matrices inside the network, AdamW for everything else."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim import AdamW, Optimizer

# Quintic Newton-Schulz coefficients of Keller Jordan's Muon (2024): a step drives singular values towards 1.
_A, _B, _C = 3.4445, -4.7750, 2.0315


class Muon(Optimizer):
    """Momentum whose update is orthogonalised, so all directions of a matrix learn at the same pace."""

    def __init__(
        self, groups: list[dict[str, Any]], lr: float, momentum: float = 0.95, steps: int = 5
    ) -> None:
        """A group's "parts" says how many matrices lie one below the other in each of its parameters."""
        super().__init__(groups, {"lr": lr, "momentum": momentum, "steps": steps, "parts": 1})

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> None:  # type: ignore[override]
        """One update. Matrices of one size are orthogonalised together."""
        if closure is not None:
            raise TypeError("Muon takes no closure")
        for group in self.param_groups:
            by_size: dict[torch.Size, list[nn.Parameter]] = {}
            for parameter in group["params"]:
                if parameter.grad is not None:
                    by_size.setdefault(parameter.shape, []).append(parameter)
            for parameters in by_size.values():
                self._update(parameters, group)

    def _update(self, parameters: list[nn.Parameter], group: dict[str, Any]) -> None:
        directions: list[Tensor] = []
        parts: int = group["parts"]
        for parameter in parameters:
            gradient = parameter.grad
            if gradient is None:
                continue
            state = self.state[parameter]
            buffer = state.setdefault("momentum", torch.zeros_like(parameter))
            buffer.lerp_(gradient, 1 - group["momentum"])
            directions.append(gradient.lerp(buffer, group["momentum"]))  # Nesterov
        rows, columns = parameters[0].shape[0] // parts, parameters[0].shape[1]
        stacked = torch.stack(directions).view(-1, rows, columns)
        updates = orthogonalised(stacked, group["steps"]).view(len(parameters), rows * parts, columns)
        scale = group["lr"] * max(1.0, rows / columns) ** 0.5
        for parameter, update in zip(parameters, updates, strict=True):
            parameter.add_(update, alpha=-scale)


def orthogonalised(matrices: Tensor, steps: int) -> Tensor:
    """[n, rows, columns] → the same with all singular values near 1."""
    x: Tensor = matrices
    flipped = x.shape[-2] > x.shape[-1]
    x = x.mT if flipped else x
    x = x / (x.norm(dim=(-2, -1), keepdim=True) + 1e-7)
    for _ in range(steps):
        gram = x @ x.mT
        x = _A * x + (_B * gram + _C * gram @ gram) @ x
    turned: Tensor = x.mT if flipped else x
    return turned


def optimizers_for(model: nn.Module, muon_lr: float, adam_lr: float) -> tuple[Muon, AdamW]:
    """Muon for matrices of the blocks; AdamW for embeddings, norms and the space direction."""
    groups: dict[int, list[nn.Parameter]] = {}
    rest: list[nn.Parameter] = []
    for name, parameter in model.named_parameters():
        if parameter.ndim == 2 and name.startswith("blocks."):
            parts = 3 if "qkv" in name else 2 if "gate_up" in name else 1
            groups.setdefault(parts, []).append(parameter)
        else:
            rest.append(parameter)
    muon = Muon([{"params": found, "parts": parts} for parts, found in groups.items()], muon_lr)
    return muon, AdamW(rest, lr=adam_lr, betas=(0.9, 0.98), weight_decay=0.0, eps=1e-9)
