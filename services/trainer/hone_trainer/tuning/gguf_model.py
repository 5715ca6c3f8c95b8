"""A GGUF file's weights in the transformers model that it was made of: what a quantized file is worth, measured.

Every tensor of the file, whatever its type, is made fp32 by the reference implementation (`gguf`) and put where it
came from. The families are those that the hub converts. Where files differ from transformers' weights, it is undone:
Llama's queries and keys stand in another order, Gemma's norms hold the one that is added to them there.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import gguf
import numpy as np
import torch
from gguf import GGUFReader, LlamaFileType
from numpy.typing import NDArray
from torch import Tensor

from hone_trainer.tuning.adapter_files import plain_name
from hone_trainer.tuning.errors import FileNotTheModel

FAMILIES = ("llama", "qwen2", "qwen3", "gemma2", "gemma3", "phi3")
_COMPUTED = ("rope_freqs.weight", "rope_factors_long.weight", "rope_factors_short.weight")


@dataclass(frozen=True)
class Filled:
    """What the file is: ``quantization`` as llama.cpp names its type, and how many weights are of which type."""

    quantization: str
    types: dict[str, int]


@torch.no_grad()
def fill(model: Any, path: Path) -> Filled:
    """Set all weights of ``model`` to the file's. Raises FileNotTheModel."""
    reader = _open(path)
    family = _value(reader, "general.architecture")
    if family not in FAMILIES:
        raise FileNotTheModel(path, f"is of the family {str(family)[:40]!r}, which is not known here")
    left = {tensor.name: tensor for tensor in reader.tensors if tensor.name not in _COMPUTED}
    config = getattr(model.config, "text_config", None) or model.config
    names = gguf.get_tensor_name_map(getattr(gguf.MODEL_ARCH, family.upper()), config.num_hidden_layers)
    types: dict[str, int] = {}
    for name, weight in _weights_of_text(model):
        known = names.get_name(_named(name), try_suffixes=(".weight", ".bias"))
        found = left.pop(known or "", None)
        if found is None:
            raise FileNotTheModel(path, f"lacks {name}")
        kind = found.tensor_type.name
        types[kind] = types.get(kind, 0) + int(found.n_elements)
        weight.copy_(_turned_back(family, config, name, _floats(path, found, tuple(weight.shape))))
    if left:
        raise FileNotTheModel(path, f"holds {min(left)[:200]}, which the model does not have")
    file_type = _value(reader, "general.file_type")
    return Filled(_type_name(file_type), types)


def _open(path: Path) -> GGUFReader:
    try:
        return GGUFReader(path)
    except (OSError, ValueError, KeyError, IndexError, OverflowError, UnicodeDecodeError) as error:
        raise FileNotTheModel(path, f"cannot be read as GGUF: {str(error)[:200]}") from error


def _value(reader: GGUFReader, key: str) -> Any:
    field = reader.get_field(key)
    return None if field is None else field.contents()


def _type_name(told: Any) -> str:
    try:
        return LlamaFileType(told).name.removeprefix("MOSTLY_").removeprefix("ALL_").lower()
    except ValueError:
        return "unknown"


def _weights_of_text(model: Any) -> list[tuple[str, Tensor]]:
    """Each once, tied ones under their first name; those that only images go through are left as they are."""
    return [
        (name, weight)
        for name, weight in model.named_parameters()
        if not any(part in name for part in ("vision_tower", "multi_modal_projector"))
    ]


def _named(name: str) -> str:
    """As a model of text alone has it, which is what the converter's table knows."""
    plain = plain_name(name)
    return plain if plain.startswith("lm_head") else f"model.{plain}"


def _floats(path: Path, tensor: Any, shape: tuple[int, ...]) -> Tensor:
    there = tuple(int(size) for size in reversed(tensor.shape))
    if there != shape:
        raise FileNotTheModel(path, f"has {tensor.name} as {list(there)}, and the model as {list(shape)}")
    floats: NDArray[np.float32] = gguf.quants.dequantize(tensor.data, tensor.tensor_type)
    return torch.from_numpy(np.array(floats, np.float32).reshape(shape))


def _turned_back(family: str, config: Any, name: str, weight: Tensor) -> Tensor:
    if family.startswith("gemma") and name.endswith("norm.weight"):
        return weight - 1
    if family == "llama" and ".self_attn.q_proj." in name:
        return weight[_rotary_order_back(config.num_attention_heads, weight.shape[0])]
    if family == "llama" and ".self_attn.k_proj." in name:
        return weight[_rotary_order_back(config.num_key_value_heads, weight.shape[0])]
    return weight


def _rotary_order_back(heads: int, rows: int) -> Tensor:
    """transformers rotates the pairs (i, i + head_dim/2), llama.cpp (2i, 2i+1)."""
    return torch.arange(rows).reshape(heads, rows // heads // 2, 2).transpose(1, 2).reshape(-1)
