"""A starter out of the folder that an earlier fine-tuning, or the starter's own build, wrote."""

import json
from pathlib import Path
from typing import Any

import numpy as np
from safetensors import SafetensorError
from safetensors.numpy import load_file

from hone_trainer.finetune.errors import BaseUnreadable, BaseUnsupported
from hone_trainer.finetune.family import Described, expect, shape_of
from hone_trainer.finetune.words import CONTROL_KIND, NORMAL, USER_DEFINED, vocabulary_of
from hone_trainer.starter.export import CHAT_TEMPLATE, CONTEXT_TOKENS
from hone_trainer.starter.tokenizer import Vocabulary

FILES = ("config.json", "tokenizer.json", "chat_template.jinja", "model.safetensors")
MAX_FILE_BYTES = 128 << 20

_FAMILY = {
    "architectures": ["LlamaForCausalLM"],
    "max_position_embeddings": CONTEXT_TOKENS,
    "hidden_act": "silu",
    "attention_bias": False,
    "mlp_bias": False,
    "tie_word_embeddings": True,
}
_SIZES = {
    "width": "hidden_size",
    "layers": "num_hidden_layers",
    "heads": "num_attention_heads",
    "feed_forward": "intermediate_size",
}


def describe(folder: Path) -> Described:
    """Raises BaseUnreadable, BaseUnsupported."""
    for name in FILES:
        _check_size(folder / name)
    config = _json(folder / "config.json")
    expect(folder, config, _FAMILY)
    if (folder / "chat_template.jinja").read_text(encoding="utf-8") != CHAT_TEMPLATE:
        raise BaseUnsupported(folder, "has another chat template than the starter")
    vocabulary = _vocabulary(folder / "tokenizer.json")
    shape = shape_of(
        folder, config, vocabulary.size, names=_SIZES, theta="rope_theta", epsilon="rms_norm_eps"
    )  # fmt: skip
    rope = {"rope_type": "default", "rope_theta": shape.rope_theta}
    heads = {"num_key_value_heads": shape.heads, "head_dim": shape.head_width}
    expect(folder, config, {**heads, "vocab_size": vocabulary.size, "rope_parameters": rope})
    path = folder / "model.safetensors"
    try:
        weights = load_file(path)
    except (SafetensorError, OSError, ValueError) as error:
        raise BaseUnreadable(path, f"is damaged: {error}") from error
    if any(array.dtype != np.float32 or not np.isfinite(array).all() for array in weights.values()):
        raise BaseUnreadable(path, "holds weights that are no 32-bit numbers")
    return Described(shape, vocabulary, weights)


def _vocabulary(path: Path) -> Vocabulary:
    """Raises BaseUnsupported for a tokenizer that does anything which the starter's does not."""
    told = _json(path)
    model = told.get("model")
    match told.get("added_tokens"), model:
        case list(added), {"vocab": dict(ids), "merges": list(merges)}:
            tokens = sorted(ids, key=lambda token: str(ids[token]).zfill(8))
            special = {
                entry.get("content"): entry.get("special") for entry in added if isinstance(entry, dict)
            }
        case _:
            raise BaseUnreadable(path, "is no tokenizer.json of byte-level BPE")
    if any(ids[token] != number for number, token in enumerate(tokens)):
        raise BaseUnsupported(path, "has ids that are not counted from 0")
    if not all(isinstance(m, list) and len(m) == 2 and all(isinstance(p, str) for p in m) for m in merges):
        raise BaseUnreadable(path, "holds merges that are not of two tokens")
    kinds = [NORMAL if t not in special else CONTROL_KIND if special[t] else USER_DEFINED for t in tokens]
    vocabulary = vocabulary_of(path, tokens, kinds, [(left, right) for left, right in merges])
    if json.loads(vocabulary.tokenizer.to_str()) != told:
        raise BaseUnsupported(path, "splits text in another way than the starter")
    return vocabulary


def _check_size(path: Path) -> None:
    try:
        if path.stat().st_size > MAX_FILE_BYTES:
            raise BaseUnsupported(path, f"is longer than {MAX_FILE_BYTES >> 20} MiB")
    except OSError as error:
        raise BaseUnreadable(path, str(error)) from error


def _json(path: Path) -> dict[str, Any]:
    try:
        found = json.loads(path.read_bytes())
    except (ValueError, RecursionError) as error:
        raise BaseUnreadable(path, f"is no JSON: {error}") from error
    if not isinstance(found, dict):
        raise BaseUnreadable(path, "is no JSON object")
    return found
