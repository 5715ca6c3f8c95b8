"""Tiny random Llamas saved by transformers, with tokenizers trained on the spot."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

os.environ["OMP_NUM_THREADS"] = "1"  # before torch starts its threads
os.environ["HF_HUB_OFFLINE"] = "1"

import torch
from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers, processors, trainers
from transformers import (
    LlamaConfig,
    LlamaForCausalLM,
    MistralConfig,
    MistralForCausalLM,
    PreTrainedTokenizerFast,
)

torch.set_num_threads(1)

TEXT = (
    "A member borrows many books; each book has 12345 copies. We'll see: the member's loan isn't overdue!\n"
    "Każdy członek ma wiele wypożyczeń.\r\n  日本語の本を借ります。 📚🧑‍💻 def f(x):\n\treturn x**2\n\n\n"
)
TEMPLATE = (
    "{% for m in messages %}<|im_start|>{{ m.role }}\n{{ m.content }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
_WORDS = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|"
    r"%s| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)
_UPPER, _LOWER = r"[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]", r"[\p{Ll}\p{Lm}\p{Lo}\p{M}]"
_CASES = (
    rf"[^\r\n\p{{L}}\p{{N}}]?{_UPPER}*{_LOWER}+%s|[^\r\n\p{{L}}\p{{N}}]?{_UPPER}+{_LOWER}*%s|"
    r"%s| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)
_ENDINGS = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)?"
_FAST: Any = PreTrainedTokenizerFast  # its constructor has no types


def _split(digits: str) -> pre_tokenizers.PreTokenizer:
    return _split_by(_WORDS % digits, "isolated")


def _split_by(regex: str, behavior: str, invert: bool = False) -> pre_tokenizers.PreTokenizer:
    bytes_ = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    return pre_tokenizers.Sequence([pre_tokenizers.Split(Regex(regex), behavior, invert), bytes_])


def _gpt2() -> pre_tokenizers.PreTokenizer:
    return pre_tokenizers.ByteLevel(add_prefix_space=False)


PRE_TOKENIZERS: dict[str, Callable[[], pre_tokenizers.PreTokenizer]] = {
    "gpt-2": _gpt2,
    "llama-bpe": lambda: _split(r"\p{N}{1,3}"),
    "dbrx": lambda: _split(r"\p{N}{1,3}"),
    "qwen2": lambda: _split(r"\p{N}"),
    "gpt-4o": lambda: _split_by(_CASES % (_ENDINGS, _ENDINGS, r"\p{N}{1,3}"), "removed", invert=True),
    "tekken": lambda: _split_by(_CASES % ("", "", r"\p{N}"), "isolated"),
    "smollm": lambda: pre_tokenizers.Sequence([pre_tokenizers.Digits(individual_digits=True), _gpt2()]),
}


@dataclass(frozen=True)
class TinyModel:
    """What to make. Equal ones are made once per test session; hence tuples of items where dicts are meant."""

    config: tuple[tuple[str, Any], ...] = ()
    mistral: bool = False
    pre: str = "gpt-2"
    add_bos: bool = False
    dtype: str = "float32"
    shard_size: str = "1GB"
    seed: int = 0
    spread: float = 0.15
    """Of the weights: wide models need less, or they amplify every difference."""


@dataclass
class Library:
    root: Path
    made: dict[TinyModel, Path] = field(default_factory=dict)

    def folder(self, wanted: TinyModel) -> Path:
        if wanted not in self.made:
            folder = self.root / f"model-{len(self.made)}"
            _save(wanted, folder)
            self.made[wanted] = folder
        return self.made[wanted]


def _save(wanted: TinyModel, folder: Path) -> None:
    torch.manual_seed(wanted.seed)
    tokenizer = make_tokenizer(wanted.pre, wanted.add_bos)
    settings: dict[str, Any] = {
        "vocab_size": len(tokenizer),
        "hidden_size": 64,
        "num_hidden_layers": 3,
        "num_attention_heads": 4,
        "num_key_value_heads": 2,
        "intermediate_size": 96,
        "max_position_embeddings": 256,
        "tie_word_embeddings": True,
        "bos_token_id": 0,
        "eos_token_id": 2,
        "pad_token_id": 3,
    } | {key: dict(value) if key == "rope_parameters" else value for key, value in wanted.config}
    model = (
        MistralForCausalLM(MistralConfig(**settings))
        if wanted.mistral
        else LlamaForCausalLM(LlamaConfig(**settings))
    )
    randomise(model, wanted.spread)
    model.to(getattr(torch, wanted.dtype)).save_pretrained(folder, max_shard_size=wanted.shard_size)
    tokenizer.save_pretrained(folder)


def randomise(model: torch.nn.Module, spread: float = 0.15) -> None:
    """Weights that make every tensor matter: transformers starts norms at one and biases at zero."""
    with torch.no_grad():
        for name, weight in model.named_parameters():
            if "norm" in name:
                weight.copy_(1 + 0.3 * torch.randn_like(weight))
            else:
                weight.copy_(spread * torch.randn_like(weight))


def make_tokenizer(pre: str, add_bos: bool = False) -> PreTrainedTokenizerFast:
    tokenizer = Tokenizer(models.BPE(ignore_merges=pre in ("llama-bpe", "tekken")))
    tokenizer.pre_tokenizer = PRE_TOKENIZERS[pre]()
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=450,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        special_tokens=["<|begin|>", "<|im_start|>", "<|im_end|>", "<|pad|>"],
        show_progress=False,
    )
    tokenizer.train_from_iterator([TEXT] * 4, trainer)
    tokenizer.add_tokens(['"},{"', "§entity§"])  # user-defined, not special
    if add_bos:
        tokenizer.post_processor = processors.TemplateProcessing(
            single="<|begin|> $A", pair="<|begin|> $A $B", special_tokens=[("<|begin|>", 0)]
        )
    fast: PreTrainedTokenizerFast = _FAST(
        tokenizer_object=tokenizer, bos_token="<|begin|>", eos_token="<|im_end|>", pad_token="<|pad|>"
    )
    fast.chat_template = TEMPLATE
    return fast
