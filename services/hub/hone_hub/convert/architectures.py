"""Which module converts which `architectures` entry of a config.json."""

from __future__ import annotations

from ..errors import ModelUnsupported
from .checkpoint import JsonObject
from .gemma import Gemma2, Gemma3, Gemma3Images
from .llama import Llama, Mistral, Mistral3
from .phi3 import Phi3
from .plan import Architecture
from .qwen import Qwen2, Qwen3

_KNOWN: dict[str, Architecture] = {
    "LlamaForCausalLM": Llama(),
    "MistralForCausalLM": Mistral(),
    "Mistral3ForConditionalGeneration": Mistral3(),
    "Qwen2ForCausalLM": Qwen2(),
    "Qwen3ForCausalLM": Qwen3(),
    "Gemma2ForCausalLM": Gemma2(),
    "Gemma3ForCausalLM": Gemma3(),
    "Gemma3ForConditionalGeneration": Gemma3Images(),
    "Phi3ForCausalLM": Phi3(),
}


def architecture_of(config: JsonObject) -> Architecture:
    """Raises ModelUnsupported."""
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
    if config.get("quantization_config") or config.get("quantization"):  # the second is MLX's
        raise ModelUnsupported(
            "these weights are quantized already", "convert the original, unquantized model"
        )
    return _KNOWN[name]
