"""Tiny models of three families with a BPE that is made on the spot, and rows for them to learn."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Literal

import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import (
    Gemma3ForCausalLM,
    Gemma3TextConfig,
    LlamaConfig,
    LlamaForCausalLM,
    PreTrainedTokenizerFast,
    Qwen2Config,
    Qwen2ForCausalLM,
)

from hone_trainer.tuning.spec import Spec

Family = Literal["llama", "qwen", "gemma"]
FAMILIES: tuple[Family, ...] = ("llama", "qwen", "gemma")

CHATML = (
    "{% for m in messages %}<|im_start|>{{ m['role'] }}\n{{ m['content'] }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
LLAMA = (
    "{{ bos_token }}{% for m in messages %}<|start_header_id|>{{ m['role'] }}<|end_header_id|>\n\n"
    "{{ m['content'] | trim }}<|eot_id|>{% endfor %}"
    "{% if add_generation_prompt %}<|start_header_id|>assistant<|end_header_id|>\n\n{% endif %}"
)
GEMMA = (
    "{{ bos_token }}{% for m in messages %}<start_of_turn>{{ 'model' if m['role'] == 'assistant' else m['role'] }}\n"
    "{{ m['content'] | trim }}<end_of_turn>\n{% endfor %}"
    "{% if add_generation_prompt %}<start_of_turn>model\n{% endif %}"
)
SPECIAL: dict[Family, tuple[list[str], str, str, str]] = {
    "llama": (
        ["<|begin|>", "<|eot_id|>", "<|start_header_id|>", "<|end_header_id|>", "<pad>"],
        "<|begin|>", "<|eot_id|>", LLAMA,
    ),
    "qwen": (["<|endoftext|>", "<|im_start|>", "<|im_end|>"], "", "<|im_end|>", CHATML),
    "gemma": (["<bos>", "<eos>", "<start_of_turn>", "<end_of_turn>", "<pad>"], "<bos>", "<end_of_turn>", GEMMA),
}  # fmt: skip
"""Special tokens, the one that begins, the one that ends a turn, and the chat template of each family."""

WORDS = (
    "book", "member", "loan", "copy", "author", "shelf", "library", "branch", "fine", "reader", "title", "date",
    "clerk", "card",
)  # fmt: skip


def rows(count: int = 40, seed: int = 0) -> list[dict[str, Any]]:
    """Questions with answers that follow from them, of different lengths."""
    made = []
    for number in range(count):
        names = [WORDS[(number * 7 + seed + step * 3) % len(WORDS)] for step in range(1 + number % 4)]
        made.append(
            {
                "messages": [
                    {"role": "user", "content": f"Tables for {' and '.join(names)}?"},
                    {"role": "assistant", "content": "\n".join(f"{name}_id {name}" for name in names)},
                ],
                "weight": 1.0,
                "group": str(number),
            }
        )
    return made


def write_rows(path: Path, some: Sequence[dict[str, Any]]) -> Path:
    path.write_text("".join(json.dumps(each) + "\n" for each in some), encoding="utf-8")
    return path


def make_base(folder: Path, family: Family = "llama", *, context: int = 256, layers: int = 2) -> Path:
    """A folder in Hugging Face's layout, with random weights that depend on nothing but the family."""
    folder.mkdir(parents=True, exist_ok=True)
    special, begin, end, template = SPECIAL[family]
    tokenizer = _bpe(special)
    fast = PreTrainedTokenizerFast(  # type: ignore[no-untyped-call]
        tokenizer_object=tokenizer,
        bos_token=begin or None,
        eos_token=end,
        pad_token="<pad>" if "<pad>" in special else None,
        clean_up_tokenization_spaces=False,
        model_max_length=context,
    )
    fast.chat_template = template
    fast.save_pretrained(folder)
    torch.manual_seed(1)
    model = _model(family, len(fast), context, layers)
    model.config.eos_token_id = model.generation_config.eos_token_id = fast.convert_tokens_to_ids(end)
    begin_id = fast.convert_tokens_to_ids(begin) if begin else None
    model.config.bos_token_id = model.generation_config.bos_token_id = begin_id
    model.config.pad_token_id = model.generation_config.pad_token_id = fast.pad_token_id
    model.save_pretrained(folder)
    return folder


def _bpe(special: list[str]) -> Tokenizer:
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=400,
        special_tokens=special,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(_texts(), trainer)
    return tokenizer


def _texts() -> Iterator[str]:
    for row in rows(60):
        for message in row["messages"]:
            yield message["content"]
    yield "user assistant system model"


def _model(family: Family, vocabulary: int, context: int, layers: int) -> Any:
    same: dict[str, Any] = {
        "vocab_size": vocabulary,
        "hidden_size": 32,
        "intermediate_size": 64,
        "num_hidden_layers": layers,
        "num_attention_heads": 4,
        "num_key_value_heads": 2,
        "max_position_embeddings": context,
    }
    if family == "llama":
        return LlamaForCausalLM(LlamaConfig(**same, tie_word_embeddings=False))
    if family == "qwen":
        return Qwen2ForCausalLM(Qwen2Config(**same, tie_word_embeddings=True))
    return Gemma3ForCausalLM(Gemma3TextConfig(**same, head_dim=8, query_pre_attn_scalar=8, sliding_window=16))


def make_spec(folder: Path, base: Path, train: Sequence[dict[str, Any]], **settings: Any) -> Spec:
    """A run of a few steps on one thread of a CPU, written where its process finds it."""
    folder.mkdir(parents=True, exist_ok=True)
    told = {"device": "cpu", "threads": 1, "batch": 8, "epochs": 2.0, "learning_rate": 1e-3, "rank": 4}
    more = {
        name: settings.pop(name)
        for name in ("adapter", "held_out", "kind", "method", "fence")
        if name in settings
    }
    return Spec(
        checkpoint=base,
        train=write_rows(folder / "train.jsonl", train),
        folder=folder / "run",
        cache=folder / "cache",
        settings=told | settings,
        **more,
    )
