"""Everything decided about a conversion before its first byte is written."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

from gguf import GGMLQuantizationType as TensorKind

from .architectures import architecture_of
from .checkpoint import Checkpoint
from .plan import Architecture, Plan, PlannedTensor
from .quantize import Mix, Quant, row_bytes
from .safetensors import open_weights
from .vocabulary import Vocabulary, read_vocabulary

# Without one of these it would not load the file.
_NAMED_THERE = frozenset({"<unk>", "<s>", "</s>", "<|endoftext|>"})


@dataclass(frozen=True)
class Recipe:
    checkpoint: Checkpoint
    architecture: Architecture
    plan: Plan
    vocabulary: Vocabulary
    chat_templates: dict[str, str]
    quant: Quant
    name: str
    version: str | None

    @classmethod
    def read(
        cls, checkpoint: Checkpoint, quant: Quant, name: str | None, version: str | None = None
    ) -> Recipe:
        """Reads all but the weights themselves; raises ConversionError for what cannot be converted."""
        architecture = architecture_of(checkpoint.config)
        plan = architecture.plan(checkpoint.config, open_weights(checkpoint))
        vocabulary = read_vocabulary(checkpoint, plan.vocabulary_size)
        return cls(
            checkpoint=checkpoint,
            architecture=architecture,
            plan=plan,
            vocabulary=vocabulary,
            chat_templates=checkpoint.chat_templates(),
            quant=quant,
            name=_name(name or checkpoint.folder.resolve().name, architecture, vocabulary),
            version=version,
        )

    @cached_property
    def steps(self) -> list[tuple[PlannedTensor, TensorKind]]:
        """The tensors in the order of the file, with the type each is stored as."""
        names = [tensor.name for tensor in self.plan.tensors]
        layers = sum(name.endswith(".ffn_down.weight") for name in names)
        mix = Mix(self.quant, layers, tied="output.weight" not in names)
        return [(tensor, mix.kind(tensor.name, tensor.shape)) for tensor in self.plan.tensors]

    @cached_property
    def data_bytes(self) -> int:
        return sum(size_bytes(tensor, kind) for tensor, kind in self.steps)


def _name(name: str, architecture: Architecture, vocabulary: Vocabulary) -> str:
    """llama.cpp tells by the model's name that Phi-3's special tokens swallow the white space after them.

    Source: llama.cpp, src/llama-vocab.cpp, "set attributes by model/tokenizer name".
    """
    told = any(part in name.lower() for part in ("phi-3", "phi3"))
    strips = architecture.gguf_name == "phi3" and vocabulary.strips_after
    return f"{name} (phi-3)" if strips and not told and set(vocabulary.tokens) >= _NAMED_THERE else name


def size_bytes(tensor: PlannedTensor, kind: TensorKind) -> int:
    rows = tensor.shape[0] if len(tensor.shape) > 1 else 1
    return rows * row_bytes(tensor.shape[-1], kind)
