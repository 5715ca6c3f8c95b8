"""What conversion knows, by name: for whoever tells a person before anything is downloaded, and loads no numpy."""

import re
from typing import Any

CONVERTIBLE = frozenset(
    {
        "LlamaForCausalLM",
        "MistralForCausalLM",
        "Mistral3ForConditionalGeneration",
        "Qwen2ForCausalLM",
        "Qwen3ForCausalLM",
        "Gemma2ForCausalLM",
        "Gemma3ForCausalLM",
        "Gemma3ForConditionalGeneration",
        "Phi3ForCausalLM",
    }
)
OLLAMA_IMPORTS = frozenset({"CohereForCausalLM", "GemmaForCausalLM", "MixtralForCausalLM"})
"""What Ollama makes models of, and Hone does not. Source: Ollama 0.11.4, convert/convert.go."""
IMPORTED_QUANTS = ("Q4_K_M", "Q8_0", "F16")
"""What Ollama quantizes its imports to; F16: not at all."""

# Phi-3's authors publish it with the code that transformers has had as its own since: it needs none. What tokenizer
# is named beside it does not matter, since its files are read.
_PHI3 = re.compile(
    r"(microsoft/[\w.-]{1,100}--)?(configuration_phi3\.Phi3Config|modeling_phi3\.Phi3ForCausalLM)"
)
# Of models that take images too, config.json says of the text part only what differs from transformers' defaults.
_TEXT_DEFAULTS: dict[str, dict[str, Any]] = {
    "gemma3_text": {
        "vocab_size": 262_208,
        "hidden_size": 2304,
        "intermediate_size": 9216,
        "num_hidden_layers": 26,
        "num_attention_heads": 8,
        "num_key_value_heads": 4,
        "head_dim": 256,
        "max_position_embeddings": 131_072,
    },
    "mistral": {"sliding_window": None},
}


def needs_own_code(config: dict[str, Any]) -> bool:
    """Whether a config.json asks for code out of the repository, which is never run."""
    named = config.get("auto_map")
    if not named:
        return named is not None and named != {}
    if not isinstance(named, dict) or config.get("architectures") != ["Phi3ForCausalLM"]:
        return True
    of_model = [value for key, value in named.items() if key != "AutoTokenizer"]
    return not all(isinstance(value, str) and _PHI3.fullmatch(value) for value in of_model)


def text_part(config: dict[str, Any]) -> dict[str, Any]:
    """The settings of the text part where a model takes images too, else those of all."""
    inner = config.get("text_config")
    if not isinstance(inner, dict):
        return config
    # Both are tied by default, and the whole's setting is the one that counts.
    outer = {key: config[key] for key in ("architectures", "tie_word_embeddings") if key in config}
    defaults = _TEXT_DEFAULTS.get(str(inner.get("model_type")), {})
    return {"tie_word_embeddings": True} | defaults | inner | outer
