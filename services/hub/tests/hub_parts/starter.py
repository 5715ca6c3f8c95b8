"""The model that ships with Hone, unpacked from its GGUF into the folder that the trainer would write."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import gguf
import numpy as np
from numpy.typing import NDArray
from safetensors.numpy import save_file
from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers

STARTER = Path(__file__).parents[4] / "libs/hone/hone/starter/hone-starter-q8_0.gguf"
_CONTROL, _USER_DEFINED = 3, 4
_NAMES = {
    "attn_q": "self_attn.q_proj", "attn_k": "self_attn.k_proj", "attn_v": "self_attn.v_proj",
    "attn_output": "self_attn.o_proj", "ffn_gate": "mlp.gate_proj", "ffn_up": "mlp.up_proj",
    "ffn_down": "mlp.down_proj", "attn_norm": "input_layernorm", "ffn_norm": "post_attention_layernorm",
}  # fmt: skip


def unpack(folder: Path, *, template: str | None = None, noise: float = 0.0) -> Path:
    """``noise`` spoils the weights: with 1 the model says anything."""
    folder.mkdir(parents=True)
    reader = gguf.GGUFReader(STARTER)
    heads = _value(reader, "llama.attention.head_count")
    save_file(_weights(reader, heads, noise), folder / "model.safetensors", metadata={"format": "pt"})
    tokens = _value(reader, "tokenizer.ggml.tokens")
    types = _value(reader, "tokenizer.ggml.token_type")
    _tokenizer(tokens, types, _value(reader, "tokenizer.ggml.merges")).save(str(folder / "tokenizer.json"))
    ends = _value(reader, "tokenizer.ggml.eos_token_id")
    config = {
        "architectures": ["LlamaForCausalLM"],
        "model_type": "llama",
        "vocab_size": len(tokens),
        "hidden_size": _value(reader, "llama.embedding_length"),
        "intermediate_size": _value(reader, "llama.feed_forward_length"),
        "num_hidden_layers": _value(reader, "llama.block_count"),
        "num_attention_heads": heads,
        "num_key_value_heads": heads,
        "max_position_embeddings": _value(reader, "llama.context_length"),
        "rms_norm_eps": float(_value(reader, "llama.attention.layer_norm_rms_epsilon")),
        "rope_theta": float(_value(reader, "llama.rope.freq_base")),
        "hidden_act": "silu",
        "tie_word_embeddings": True,
        "bos_token_id": None,
        "eos_token_id": ends,
    }
    (folder / "config.json").write_text(json.dumps(config))
    settings = {"tokenizer_class": "PreTrainedTokenizerFast", "bos_token": None, "eos_token": tokens[ends]}
    (folder / "tokenizer_config.json").write_text(json.dumps(settings))
    text = template or _value(reader, "tokenizer.chat_template")
    (folder / "chat_template.jinja").write_text(text, encoding="utf-8")
    return folder


def _value(reader: gguf.GGUFReader, key: str) -> Any:
    field = reader.get_field(key)
    assert field is not None, key
    return field.contents()


def _weights(reader: gguf.GGUFReader, heads: int, noise: float) -> dict[str, NDArray[np.float32]]:
    random, found = np.random.default_rng(0), {}
    for tensor in reader.tensors:
        values = gguf.quants.dequantize(tensor.data, tensor.tensor_type).astype(np.float32)
        part = tensor.name.removesuffix(".weight").rpartition(".")[2]
        if part in ("attn_q", "attn_k"):
            rows, columns = values.shape  # llama.cpp has the halves of each head's rows interleaved
            values = (
                values.reshape(heads, rows // heads // 2, 2, columns).swapaxes(1, 2).reshape(rows, columns)
            )
        if noise and values.ndim == 2:
            values = values + noise * random.standard_normal(values.shape).astype(np.float32)
        found[_name(tensor.name, part)] = np.ascontiguousarray(values)
    return found


def _name(name: str, part: str) -> str:
    ends = {"token_embd.weight": "model.embed_tokens.weight", "output_norm.weight": "model.norm.weight"}
    return ends.get(name) or f"model.layers.{name.split('.')[1]}.{_NAMES[part]}.weight"


def _tokenizer(tokens: list[str], types: list[int], merges: list[str]) -> Tokenizer:
    rules = [(left, right) for left, _, right in (merge.partition(" ") for merge in merges)]
    vocabulary = {token: number for number, token in enumerate(tokens)}
    tokenizer = Tokenizer(models.BPE(vocab=vocabulary, merges=rules, ignore_merges=False))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=True)
    tokenizer.decoder = decoders.ByteLevel()
    kinds = list(zip(tokens, types, strict=True))
    special = [AddedToken(t, special=True, normalized=False) for t, kind in kinds if kind == _CONTROL]
    tokenizer.add_special_tokens(special)
    tokenizer.add_tokens(
        [AddedToken(t, special=False, normalized=False) for t, kind in kinds if kind == _USER_DEFINED]
    )
    return tokenizer
