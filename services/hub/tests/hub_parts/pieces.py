"""SentencePiece vocabularies trained on the spot, as their families keep them."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from typing import Any

import sentencepiece
from tokenizers import AddedToken, Tokenizer, models, normalizers, pre_tokenizers, processors, trainers
from transformers import PreTrainedTokenizerFast

from hub_parts.models import TEXT

_BYTES = [f"<0x{byte:02X}>" for byte in range(256)]
_FAST: Any = PreTrainedTokenizerFast  # its constructor has no types


def _always() -> tuple[Any, Any]:
    """Llama 2, Phi-3."""
    return normalizers.Sequence([normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")]), None


def _never() -> tuple[Any, Any]:
    """Gemma."""
    return normalizers.Replace(" ", "▁"), pre_tokenizers.Split(" ", "merged_with_previous")


def _first() -> tuple[Any, Any]:
    """Mistral of late."""
    return None, pre_tokenizers.Metaspace("▁", prepend_scheme="first", split=False)


KINDS: dict[str, Callable[[], tuple[Any, Any]]] = {"always": _always, "never": _never, "first": _first}


def byte_fallback(kind: str, *, rstrip: bool = False) -> PreTrainedTokenizerFast:
    """With special tokens, bytes, and what BPE makes of the sample text."""
    special = ["<unk>", "<s>", "</s>", "<|user|>", "<|endoftext|>"]
    learner = Tokenizer(models.BPE())
    learner.normalizer = normalizers.Replace(" ", "▁")
    learner.pre_tokenizer = pre_tokenizers.Split("▁", "merged_with_next")
    trainer = trainers.BpeTrainer(vocab_size=300, show_progress=False)
    learner.train_from_iterator([TEXT] * 4, trainer)
    learned = json.loads(learner.to_str())["model"]
    names = [*special, *_BYTES, *sorted(learned["vocab"], key=learned["vocab"].get)]
    merges = [tuple(pair) for pair in learned["merges"]]
    if kind == "never":  # runs of spaces are tokens, there
        names += ["▁▁", "▁▁▁▁"]
        merges += [("▁", "▁"), ("▁▁", "▁▁")]
    vocabulary = {name: number for number, name in enumerate(names)}
    tokenizer = Tokenizer(
        models.BPE(vocabulary, merges, unk_token="<unk>", byte_fallback=True, fuse_unk=True)
    )
    normalizer, pre_tokenizer = KINDS[kind]()
    if normalizer is not None:
        tokenizer.normalizer = normalizer
    if pre_tokenizer is not None:
        tokenizer.pre_tokenizer = pre_tokenizer
    tokenizer.add_special_tokens(
        [
            AddedToken(name, special=True, normalized=False, rstrip=rstrip and name == "<|user|>")
            for name in special
        ]
    )
    tokenizer.add_tokens([AddedToken("§entity§", normalized=False)])
    tokenizer.post_processor = processors.TemplateProcessing(
        single="<s> $A", pair="<s> $A $B", special_tokens=[("<s>", vocabulary["<s>"])]
    )
    fast: PreTrainedTokenizerFast = _FAST(
        tokenizer_object=tokenizer, bos_token="<s>", eos_token="</s>", unk_token="<unk>"
    )
    return fast


def model_file(*, prefix: bool = True, **more: Any) -> bytes:
    """A ``tokenizer.model``."""
    content = io.BytesIO()
    options: dict[str, Any] = {
        "model_type": "bpe",
        "vocab_size": 450,
        "byte_fallback": True,
        "normalization_rule_name": "identity",
        "remove_extra_whitespaces": False,
        "add_dummy_prefix": prefix,
        "character_coverage": 1.0,
        "hard_vocab_limit": False,
        "minloglevel": 2,
        "user_defined_symbols": ["§entity§"],
    }
    sentencepiece.SentencePieceTrainer.Train(
        sentence_iterator=iter(TEXT.splitlines() * 4), model_writer=content, **(options | more)
    )
    return content.getvalue()
