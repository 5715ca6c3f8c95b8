"""A starter out of a GGUF file: the hub's conversion, turned round."""

from pathlib import Path
from typing import Any

import numpy as np

from hone_trainer.finetune import gguf_file
from hone_trainer.finetune.errors import BaseUnreadable, BaseUnsupported
from hone_trainer.finetune.family import Described, expect, shape_of
from hone_trainer.finetune.gguf_file import Floats
from hone_trainer.finetune.words import vocabulary_of
from hone_trainer.starter.export import CHAT_TEMPLATE, CONTEXT_TOKENS
from hone_trainer.starter.model import Shape

_FAMILY = {
    "general.architecture": "llama",
    "llama.context_length": CONTEXT_TOKENS,
    "tokenizer.ggml.model": "gpt2",
    "tokenizer.ggml.pre": "gpt-2",
    "tokenizer.ggml.add_bos_token": False,
    "tokenizer.chat_template": CHAT_TEMPLATE,
}
_SIZES = {
    "width": "llama.embedding_length",
    "layers": "llama.block_count",
    "heads": "llama.attention.head_count",
    "feed_forward": "llama.feed_forward_length",
}
_OUTER = {"token_embd.weight": "model.embed_tokens.weight", "output_norm.weight": "model.norm.weight"}
_LAYER = {
    "attn_norm": "input_layernorm",
    "ffn_norm": "post_attention_layernorm",
    "attn_q": "self_attn.q_proj",
    "attn_k": "self_attn.k_proj",
    "attn_v": "self_attn.v_proj",
    "attn_output": "self_attn.o_proj",
    "ffn_gate": "mlp.gate_proj",
    "ffn_up": "mlp.up_proj",
    "ffn_down": "mlp.down_proj",
}


def describe(path: Path) -> Described:
    """Raises BaseUnreadable, BaseUnsupported."""
    file = gguf_file.read(path)
    expect(path, file.fields, _FAMILY)
    if scaled := [key for key in file.fields if key.startswith("llama.rope.scaling")]:
        raise BaseUnsupported(path, f"has {scaled[0]}, and the starter's positions are not scaled")
    tokens, kinds, merges = (
        _list(path, file.fields, f"tokenizer.ggml.{key}", kind)
        for key, kind in (("tokens", str), ("token_type", int), ("merges", str))
    )
    shape = shape_of(
        path, file.fields, len(tokens), names=_SIZES, theta="llama.rope.freq_base",
        epsilon="llama.attention.layer_norm_rms_epsilon",
    )  # fmt: skip
    heads = {"head_count_kv": shape.heads, "key_length": shape.head_width, "value_length": shape.head_width}
    wanted = {f"llama.attention.{key}": value for key, value in heads.items()}
    expect(path, file.fields, {**wanted, "llama.rope.dimension_count": shape.head_width})
    pairs = [tuple(merge.split(" ")) for merge in merges]
    vocabulary = vocabulary_of(path, tokens, kinds, [(p[0], p[1]) for p in pairs if len(p) == 2])
    if len(pairs) != sum(len(pair) == 2 for pair in pairs):
        raise BaseUnreadable(path, "holds merges that are not of two tokens")
    return Described(shape, vocabulary, _weights(shape, file.tensors))


def _list(path: Path, fields: dict[str, Any], key: str, kind: type) -> list[Any]:
    found = fields.get(key)
    if not isinstance(found, list) or not all(isinstance(item, kind) for item in found):
        raise BaseUnreadable(path, f"has no list for {key}")
    return found


def _weights(shape: Shape, tensors: dict[str, Floats]) -> dict[str, Floats]:
    """The tensors by their names elsewhere; one that the family does not have keeps its own."""
    names = dict(_OUTER)
    for index in range(shape.layers):
        names |= {
            f"blk.{index}.{ours}.weight": f"model.layers.{index}.{hf}.weight" for ours, hf in _LAYER.items()
        }
    back = _rotary_order_back(shape)
    turned = {
        name: tensor[back]
        if name.endswith(("attn_q.weight", "attn_k.weight")) and len(tensor) == len(back)
        else tensor
        for name, tensor in tensors.items()
    }
    return {names.get(name, name): tensor for name, tensor in turned.items()}


def _rotary_order_back(shape: Shape) -> "np.ndarray[Any, np.dtype[np.intp]]":
    """Rows of q and k as transformers has them: it rotates the pairs (i, i + head_width/2), llama.cpp (2i, 2i+1)."""
    rows = np.arange(shape.width, dtype=np.intp).reshape(shape.heads, shape.head_width // 2, 2)
    return rows.swapaxes(1, 2).reshape(-1)
