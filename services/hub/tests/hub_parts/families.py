"""A tiny random model of each family that conversion knows, made by transformers, with every option that matters."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from transformers import (
    Gemma2Config,
    Gemma2ForCausalLM,
    Gemma3Config,
    Gemma3ForCausalLM,
    Gemma3ForConditionalGeneration,
    Gemma3TextConfig,
    LlamaConfig,
    LlamaForCausalLM,
    Mistral3Config,
    Mistral3ForConditionalGeneration,
    MistralConfig,
    MistralForCausalLM,
    Phi3Config,
    Phi3ForCausalLM,
    PixtralVisionConfig,
    Qwen2Config,
    Qwen2ForCausalLM,
    Qwen3Config,
    Qwen3ForCausalLM,
    SiglipVisionConfig,
)

from hub_parts.models import make_tokenizer, randomise

Options = dict[str, Any]

_COMMON: Options = {
    "hidden_size": 64,
    "num_hidden_layers": 3,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "intermediate_size": 96,
    "max_position_embeddings": 256,
    "tie_word_embeddings": False,
    "bos_token_id": 0,
    "eos_token_id": 2,
    "pad_token_id": 3,
}
_GEMMA: Options = {
    "tie_word_embeddings": True,
    "head_dim": 16,
    "query_pre_attn_scalar": 16,
    "sliding_window": 24,
}
# llama.cpp looks GELU up in a table of half precision.
_GELU = 3e-3
_GELU_OF_MANY = 1e-2  # 46 layers and more; with attention divided otherwise it is above 1


def _yarn(**more: float) -> Options:
    return {
        "rope_type": "yarn", "rope_theta": 10000.0, "factor": 4.0, "original_max_position_embeddings": 64, **more,
    }  # fmt: skip


def _longrope(original: int) -> Options:
    return {
        "rope_type": "longrope",
        "rope_theta": 10000.0,
        "short_factor": [1.0 + 0.1 * i for i in range(8)],
        "long_factor": [2.0 + 0.5 * i for i in range(8)],
        "original_max_position_embeddings": original,
    }


_EYES: Options = {
    "hidden_size": 16,
    "intermediate_size": 16,
    "num_hidden_layers": 1,
    "num_attention_heads": 2,
    "image_size": 28,
    "patch_size": 14,
}


def _gemma3_images(**text: Any) -> Gemma3Config:
    return Gemma3Config(
        text_config=Gemma3TextConfig(**text), vision_config=SiglipVisionConfig(**_EYES), mm_tokens_per_image=4
    )


def _mistral3(**text: Any) -> Mistral3Config:
    return Mistral3Config(
        text_config=MistralConfig(**text),
        vision_config=PixtralVisionConfig(**_EYES),
        tie_word_embeddings=text["tie_word_embeddings"],
    )


@dataclass(frozen=True)
class Family:
    """``least_ids``: of shorter prompts llama.cpp thinks otherwise, which goes by the context that it was given.
    ``atol``: of log-probabilities."""

    config: Callable[..., Any]
    model: Any
    """The class; transformers' are not typed as callable."""
    options: Options
    least_ids: int = 1
    atol: float = 2e-4


FAMILIES: dict[str, Family] = {
    "llama, yarn": Family(LlamaConfig, LlamaForCausalLM, {"rope_parameters": _yarn()}),
    "llama, yarn with its own attention": Family(
        LlamaConfig, LlamaForCausalLM, {"rope_parameters": _yarn(attention_factor=1.3)}
    ),
    "llama, longrope": Family(
        LlamaConfig, LlamaForCausalLM, {"rope_parameters": _longrope(64)}, least_ids=70
    ),
    "mistral, wide heads": Family(
        MistralConfig, MistralForCausalLM, {"head_dim": 24, "sliding_window": None}
    ),
    "qwen2": Family(Qwen2Config, Qwen2ForCausalLM, {}),
    "qwen2, tied, yarn": Family(
        Qwen2Config, Qwen2ForCausalLM, {"tie_word_embeddings": True, "rope_parameters": _yarn()}
    ),
    "qwen3": Family(Qwen3Config, Qwen3ForCausalLM, {"head_dim": 24}),
    "qwen3, tied": Family(Qwen3Config, Qwen3ForCausalLM, {"head_dim": 16, "tie_word_embeddings": True}),
    "gemma2": Family(
        Gemma2Config,
        Gemma2ForCausalLM,
        _GEMMA | {"attn_logit_softcapping": 20.0, "final_logit_softcapping": 12.0},
        atol=_GELU,
    ),
    "gemma2, its largest": Family(
        Gemma2Config,
        Gemma2ForCausalLM,
        _GEMMA
        | {"num_hidden_layers": 46, "num_attention_heads": 8, "query_pre_attn_scalar": 8}
        | {"attn_logit_softcapping": 20.0, "final_logit_softcapping": 12.0},
        atol=_GELU_OF_MANY,
    ),
    "gemma3": Family(Gemma3TextConfig, Gemma3ForCausalLM, _GEMMA | {"num_hidden_layers": 7}, atol=_GELU),
    "gemma3, its largest": Family(
        Gemma3TextConfig,
        Gemma3ForCausalLM,
        _GEMMA | {"num_hidden_layers": 62, "num_attention_heads": 8, "query_pre_attn_scalar": 8},
        atol=_GELU_OF_MANY,
    ),
    "gemma3, scaled": Family(
        Gemma3TextConfig,
        Gemma3ForCausalLM,
        _GEMMA
        | {
            "num_hidden_layers": 7,
            "rope_parameters": {
                "full_attention": {"rope_type": "linear", "factor": 8.0, "rope_theta": 1_000_000.0},
                "sliding_attention": {"rope_type": "default", "rope_theta": 10_000.0},
            },
        },
        atol=_GELU,
    ),
    "gemma3, with images": Family(
        _gemma3_images, Gemma3ForConditionalGeneration, _GEMMA | {"num_hidden_layers": 7}, atol=_GELU
    ),
    "mistral3, with images": Family(
        _mistral3, Mistral3ForConditionalGeneration, {"head_dim": 24, "sliding_window": None}
    ),
    "phi3": Family(Phi3Config, Phi3ForCausalLM, {"sliding_window": None}),
    "phi3, long context": Family(
        Phi3Config, Phi3ForCausalLM, {"rope_parameters": _longrope(64)}, least_ids=70
    ),
    "phi3, short of its long context": Family(
        Phi3Config, Phi3ForCausalLM, {"rope_parameters": _longrope(512), "max_position_embeddings": 1024}
    ),
    "phi4, a part of each head rotated": Family(
        Phi3Config,
        Phi3ForCausalLM,
        {
            "tie_word_embeddings": True,
            "rope_parameters": {"rope_type": "default", "partial_rotary_factor": 0.5},
        },
    ),
}


def make(name: str, folder: Path, seed: int = 30) -> Path:
    """Of ``FAMILIES``, with a byte-level vocabulary."""
    family = FAMILIES[name]
    torch.manual_seed(seed)
    tokenizer = make_tokenizer("gpt-2")
    config = family.config(**(_COMMON | {"vocab_size": len(tokenizer)} | family.options))
    config._attn_implementation = "eager"
    model = family.model(config)
    randomise(model)
    if name.startswith("gemma"):  # their norms are kept without the one
        with torch.no_grad():
            for parameter, weight in model.named_parameters():
                if "norm" in parameter:
                    weight.sub_(1)
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder
