"""The trained network as a Hugging Face folder: what the hub's converter and transformers read."""

import json
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file
from torch import Tensor

from hone_trainer.starter.model import Starter
from hone_trainer.starter.tokenizer import END, PAD, START, Vocabulary

CONTEXT_TOKENS = 1024
# ChatML. Whole turns are tokens, so the text must be exactly this.
CHAT_TEMPLATE = (
    "{% for message in messages %}"
    "{{ '" + START + "' + message['role'] + '\\n' + message['content'] + '" + END + "\\n' }}"
    "{% endfor %}"
    "{% if add_generation_prompt %}{{ '" + START + "assistant\\n' }}{% endif %}"
)


def write_folder(folder: Path, model: Starter, vocabulary: Vocabulary) -> None:
    """config.json, generation_config.json, model.safetensors, tokenizer files."""
    folder.mkdir(parents=True, exist_ok=True)
    save_file(weights(model), folder / "model.safetensors", metadata={"format": "pt"})
    vocabulary.tokenizer.save(str(folder / "tokenizer.json"))
    _write(folder / "config.json", _config(model, vocabulary))
    ends = {"eos_token_id": vocabulary.id(END), "pad_token_id": vocabulary.id(PAD)}
    _write(folder / "generation_config.json", {**ends, "do_sample": False, "max_new_tokens": 256})
    _write(folder / "tokenizer_config.json", _tokenizer_config())
    (folder / "chat_template.jinja").write_text(CHAT_TEMPLATE, encoding="utf-8")


@torch.no_grad()
def weights(model: Starter) -> dict[str, Tensor]:
    """The weights under their names in LlamaForCausalLM; the embedding is written out with its spaces."""
    found = {"model.embed_tokens.weight": model.embedding(), "model.norm.weight": model.norm.weight}
    for index, block in enumerate(model.layers):
        at = f"model.layers.{index}"
        q, k, v = block.attention.qkv.weight.chunk(3)
        gate, up = block.gate_up.weight.chunk(2)
        found |= {
            f"{at}.self_attn.q_proj.weight": q,
            f"{at}.self_attn.k_proj.weight": k,
            f"{at}.self_attn.v_proj.weight": v,
            f"{at}.self_attn.o_proj.weight": block.attention.out.weight,
            f"{at}.mlp.gate_proj.weight": gate,
            f"{at}.mlp.up_proj.weight": up,
            f"{at}.mlp.down_proj.weight": block.down.weight,
            f"{at}.input_layernorm.weight": block.attention_norm.weight,
            f"{at}.post_attention_layernorm.weight": block.feed_norm.weight,
        }
    return {name: tensor.detach().clone().contiguous() for name, tensor in found.items()}


def _config(model: Starter, vocabulary: Vocabulary) -> dict[str, Any]:
    shape = model.shape
    return {
        "architectures": ["LlamaForCausalLM"],
        "model_type": "llama",
        "vocab_size": shape.vocabulary,
        "hidden_size": shape.width,
        "intermediate_size": shape.feed_forward,
        "num_hidden_layers": shape.layers,
        "num_attention_heads": shape.heads,
        "num_key_value_heads": shape.heads,
        "head_dim": shape.head_width,
        "max_position_embeddings": CONTEXT_TOKENS,
        "rms_norm_eps": shape.norm_epsilon,
        "rope_theta": shape.rope_theta,
        "rope_parameters": {"rope_type": "default", "rope_theta": shape.rope_theta},
        "hidden_act": "silu",
        "attention_bias": False,
        "mlp_bias": False,
        "tie_word_embeddings": True,
        "torch_dtype": "float32",
        "bos_token_id": None,
        "eos_token_id": vocabulary.id(END),
        "pad_token_id": vocabulary.id(PAD),
    }


def _tokenizer_config() -> dict[str, Any]:
    return {
        "tokenizer_class": "PreTrainedTokenizerFast",
        "bos_token": None,
        "add_bos_token": False,
        "eos_token": END,
        "pad_token": PAD,
        "model_max_length": CONTEXT_TOKENS,
        "clean_up_tokenization_spaces": False,
        "chat_template": CHAT_TEMPLATE,
    }


def _write(path: Path, content: dict[str, Any]) -> None:
    path.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")
