"""The model that a fine-tuning starts from: a GGUF that Hone made, or the folder of an earlier fine-tuning."""

from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from hone_trainer.finetune import from_folder, from_gguf
from hone_trainer.finetune.errors import BaseUnsupported
from hone_trainer.finetune.family import Described
from hone_trainer.finetune.spec import Spec
from hone_trainer.starter.checkpoint import digest
from hone_trainer.starter.model import Shape, Starter
from hone_trainer.starter.tokenizer import Vocabulary


class Tuned(Starter):
    """A starter whose embedding is the table itself: what a file keeps of it, its spaces written out."""

    def __init__(self, shape: Shape) -> None:
        super().__init__(shape, twins=[])

    def embedding(self) -> Tensor:
        return self.pieces.weight


@dataclass(frozen=True, slots=True)
class Base:
    """`files` are the digests of what was read, by name."""

    model: Tuned
    vocabulary: Vocabulary
    files: dict[str, str]


def load(spec: Spec) -> Base:
    """Raises BaseUnreadable, BaseUnsupported."""
    if spec.base_gguf is not None:
        path, files = spec.base_gguf, [spec.base_gguf]
        described = from_gguf.describe(path)
    else:
        assert spec.base_hf is not None  # a spec has one of both
        path, files = spec.base_hf, [spec.base_hf / name for name in from_folder.FILES]
        described = from_folder.describe(path)
    model = Tuned(described.shape)
    fill(path, model, described)
    return Base(model, described.vocabulary, {file.name: digest(file) for file in files})


@torch.no_grad()
def fill(path: Path, model: Starter, described: Described) -> None:
    """Set the weights, which stand under their names in LlamaForCausalLM."""
    left = {name: torch.from_numpy(array) for name, array in described.weights.items()}

    def put(target: Tensor, *names: str) -> None:
        parts = [left.pop(name, None) for name in names]
        found = [part for part in parts if part is not None]
        rows = sum(part.shape[0] for part in found)
        if len(found) < len(parts) or (rows, *found[0].shape[1:]) != tuple(target.shape):
            raise BaseUnsupported(path, f"holds {names[0]} in a form that the starter does not have")
        target.copy_(torch.cat(found))

    put(model.pieces.weight, "model.embed_tokens.weight")
    put(model.norm.weight, "model.norm.weight")
    for index, block in enumerate(model.layers):
        at = f"model.layers.{index}"
        attention = [f"{at}.self_attn.{part}_proj.weight" for part in "qkvo"]
        put(block.attention.qkv.weight, *attention[:3])
        put(block.attention.out.weight, attention[3])
        put(block.gate_up.weight, f"{at}.mlp.gate_proj.weight", f"{at}.mlp.up_proj.weight")
        put(block.down.weight, f"{at}.mlp.down_proj.weight")
        put(block.attention_norm.weight, f"{at}.input_layernorm.weight")
        put(block.feed_norm.weight, f"{at}.post_attention_layernorm.weight")
    if left:
        raise BaseUnsupported(path, f"holds {min(left)}, which the starter does not have")
