"""A folder in Hugging Face's layout with a base's tokenizer and chat template, and next to no model."""

import shutil
from pathlib import Path
from typing import Any

import torch
from transformers import AutoConfig, AutoModelForCausalLM

from hone_trainer.tuning.errors import BaseUnfit
from hone_trainer.tuning.merging import COPIED
from hone_trainer.tuning.shards import INDEX, plain_file

_WIDTH, _HEADS = 64, 2
_SMALL: dict[str, Any] = {
    "hidden_size": _WIDTH,
    "intermediate_size": _WIDTH,
    "num_hidden_layers": 1,
    "num_attention_heads": _HEADS,
    "num_key_value_heads": _HEADS,
    "head_dim": _WIDTH // _HEADS,
    "max_position_embeddings": 512,
}
_KEPT = ("vocab_size", "bos_token_id", "eos_token_id", "pad_token_id", "tie_word_embeddings")
_WEIGHTS = {"config.json", INDEX}
"""Of the files that belong to a model, those that say how large it is."""


def write(folder: Path, base: Path) -> None:
    """Make the folder anew: of the base's text part, everything is its class's own default but the vocabulary.

    Raises BaseUnfit, FolderUnreadable.
    """
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    try:
        told: Any = AutoConfig.from_pretrained(base, local_files_only=True, trust_remote_code=False)
        text = told.get_text_config()
        small = _SMALL | {name: getattr(text, name, None) for name in _KEPT}
        if hasattr(text, "query_pre_attn_scalar"):  # Gemma's divisor of scores
            small["query_pre_attn_scalar"] = small["head_dim"]
        config = type(text)(**small)
        make: Any = AutoModelForCausalLM  # its functions have no types
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)
            model = make.from_config(config, dtype=torch.float16)
        model.save_pretrained(folder)
    except (ValueError, TypeError, AttributeError, OSError, RuntimeError) as error:
        raise BaseUnfit(base, f"is of no architecture that can be made small: {str(error)[:300]}") from error
    for name in COPIED:
        if name not in _WEIGHTS and (base / name).exists():
            shutil.copyfile(plain_file(base, name), folder / name)
