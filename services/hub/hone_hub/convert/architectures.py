"""Which module converts which `architectures` entry of a config.json."""

from __future__ import annotations

from ..errors import ModelUnsupported
from .checkpoint import JsonObject
from .llama import Llama
from .plan import Architecture

_KNOWN: dict[str, Architecture] = {
    "LlamaForCausalLM": Llama(),
    "MistralForCausalLM": Llama(),  # the same tensors and the same graph within its sliding window
}


def architecture_of(config: JsonObject) -> Architecture:
    match config.get("architectures"):
        case [str(name)]:
            pass
        case other:
            raise ModelUnsupported(f"config.json names the architectures {other!r}", "one is needed")
    if name not in _KNOWN:
        known = ", ".join(sorted(_KNOWN))
        raise ModelUnsupported(
            f"{name} cannot be converted (known: {known})", "look for a GGUF of this model"
        )
    if "quantization_config" in config:
        raise ModelUnsupported(
            "these weights are quantized already", "convert the original, unquantized model"
        )
    return _KNOWN[name]
