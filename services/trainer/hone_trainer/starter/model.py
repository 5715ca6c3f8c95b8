"""The starter's network: a Llama decoder in plain torch, named as Hugging Face names its weights."""

import math
from dataclasses import asdict, dataclass

import torch
import torch.nn.functional as F  # noqa: N812 - as everyone calls it
from torch import Tensor, nn


@dataclass(frozen=True, slots=True)
class Shape:
    """Sizes of the network; `vocabulary` is the number of tokens."""

    vocabulary: int
    width: int = 192
    layers: int = 5
    heads: int = 6
    feed_forward: int = 512
    rope_theta: float = 1e6
    norm_epsilon: float = 1e-5

    @property
    def head_width(self) -> int:
        return self.width // self.heads

    def as_dict(self) -> dict[str, int | float]:
        return asdict(self)


class Attention(nn.Module):
    """Causal attention with rotary positions, q, k and v in one matrix."""

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        self.shape = shape
        self.qkv = nn.Linear(shape.width, 3 * shape.width, bias=False)
        self.out = nn.Linear(shape.width, shape.width, bias=False)

    def forward(self, x: Tensor, cos: Tensor, sin: Tensor, mask: Tensor) -> Tensor:
        batch, length, _ = x.shape
        qkv = self.qkv(x).view(batch, length, 3, self.shape.heads, self.shape.head_width)
        q, k, v = qkv.permute(2, 0, 3, 1, 4).unbind(0)  # each [batch, heads, length, head_width]
        mixed = F.scaled_dot_product_attention(
            _rotated(q, cos, sin), _rotated(k, cos, sin), v, attn_mask=mask
        )
        mixed = mixed.transpose(1, 2).reshape(batch, length, self.shape.width)
        return self.out(mixed)  # type: ignore[no-any-return]


class Block(nn.Module):
    """One layer: attention and a gated feed-forward, each after a norm."""

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        self.attention_norm = nn.RMSNorm(shape.width, eps=shape.norm_epsilon)
        self.attention = Attention(shape)
        self.feed_norm = nn.RMSNorm(shape.width, eps=shape.norm_epsilon)
        self.gate_up = nn.Linear(shape.width, 2 * shape.feed_forward, bias=False)
        self.down = nn.Linear(shape.feed_forward, shape.width, bias=False)

    def forward(self, x: Tensor, cos: Tensor, sin: Tensor, mask: Tensor) -> Tensor:
        x = x + self.attention(self.attention_norm(x), cos, sin, mask)
        gate, up = self.gate_up(self.feed_norm(x)).chunk(2, dim=-1)
        return x + self.down(F.silu(gate) * up)  # type: ignore[no-any-return]


class Starter(nn.Module):
    """The decoder. A piece with a space before it is the piece plus one learned direction, so that a name is
    copied the same way whether a space stands before it or not."""

    twin_of: Tensor
    is_twin: Tensor

    def __init__(self, shape: Shape, twins: list[tuple[int, int]]) -> None:
        super().__init__()
        self.shape = shape
        self.pieces = nn.Embedding(shape.vocabulary, shape.width)
        self.space = nn.Parameter(torch.zeros(shape.width))
        self.blocks = nn.ModuleList(Block(shape) for _ in range(shape.layers))
        self.norm = nn.RMSNorm(shape.width, eps=shape.norm_epsilon)
        twin_of, is_twin = torch.arange(shape.vocabulary), torch.zeros(shape.vocabulary, 1)
        for twin, piece in twins:
            twin_of[twin], is_twin[twin] = piece, 1.0
        self.register_buffer("twin_of", twin_of, persistent=False)
        self.register_buffer("is_twin", is_twin, persistent=False)

    @property
    def layers(self) -> list[Block]:
        return [block for block in self.blocks if isinstance(block, Block)]

    def embedding(self) -> Tensor:
        """[vocabulary, width], used for reading and for writing."""
        return self.pieces.weight[self.twin_of] + self.is_twin * self.space

    def hidden(self, embedded: Tensor, mask: Tensor) -> Tensor:
        """[batch, length, width] → the same, after all layers and the last norm. `mask` is added to the scores."""
        cos, sin = rotary(self.shape, embedded.shape[1], embedded.device)
        x = embedded
        for block in self.layers:
            x = block(x, cos, sin, mask)
        return self.norm(x)  # type: ignore[no-any-return]

    def forward(self, tokens: Tensor, mask: Tensor) -> Tensor:
        """Logits [batch, length, vocabulary] of tokens [batch, length]."""
        table = self.embedding()
        return self.hidden(F.embedding(tokens, table), mask) @ table.T


def rotary(shape: Shape, length: int, device: torch.device) -> tuple[Tensor, Tensor]:
    """Cosines and sines, [length, head_width], in the half-split order of Hugging Face's Llama."""
    half = shape.head_width // 2
    frequency = shape.rope_theta ** (-torch.arange(half, device=device, dtype=torch.float32) / half)
    angle = torch.arange(length, device=device, dtype=torch.float32)[:, None] * frequency
    return torch.cat([angle.cos()] * 2, -1), torch.cat([angle.sin()] * 2, -1)


def packed_mask(documents: Tensor) -> Tensor:
    """[batch, 1, length, length] to add to scores: each token sees its own passage up to itself."""
    length = documents.shape[1]
    same = documents[:, :, None] == documents[:, None, :]
    causal = torch.ones(length, length, dtype=torch.bool, device=documents.device).tril()
    return torch.zeros_like(same, dtype=torch.float32).masked_fill(~(same & causal), -math.inf)[:, None]


def _rotated(x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
    low, high = x.chunk(2, dim=-1)
    return x * cos + torch.cat([-high, low], -1) * sin
