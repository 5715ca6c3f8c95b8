"""Recognises how a tokenizer.json splits text before BPE, by its structure; nothing is guessed.

llama.cpp has these splits built in under the names of `tokenizer.ggml.pre` and cannot take any other, so a
tokenizer that is not exactly one of them would give other ids without a word.
Source: llama.cpp, src/llama-vocab.cpp (llm_tokenizer_bpe and llama_vocab::impl::load).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from ..errors import TokenizerUnsupported

_Json = dict[str, Any]
_LETTERS_AND_ON = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|"
    r"%s| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)
_LLAMA3 = _LETTERS_AND_ON % r"\p{N}{1,3}"
_QWEN2 = _LETTERS_AND_ON % r"\p{N}"
_UPPER, _LOWER = r"[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]", r"[\p{Ll}\p{Lm}\p{Lo}\p{M}]"
_CASES = (
    rf"[^\r\n\p{{L}}\p{{N}}]?{_UPPER}*{_LOWER}+%s|[^\r\n\p{{L}}\p{{N}}]?{_UPPER}+{_LOWER}*%s|"
    r"%s| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)
_ENDINGS = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)?"
_GPT_4O = _CASES % (_ENDINGS, _ENDINGS, r"\p{N}{1,3}")
_TEKKEN = _CASES % ("", "", r"\p{N}")


@dataclass(frozen=True)
class PreTokenizer:
    """`ignore_merges`: llama.cpp takes a whole piece that is in the vocabulary as it is, before any merge."""

    name: str
    ignore_merges: bool


GPT2 = PreTokenizer("gpt-2", ignore_merges=False)
DBRX = PreTokenizer("dbrx", ignore_merges=False)  # Phi-4
LLAMA_BPE = PreTokenizer("llama-bpe", ignore_merges=True)
QWEN2 = PreTokenizer("qwen2", ignore_merges=False)
SMOLLM = PreTokenizer("smollm", ignore_merges=False)
_BY_REGEX = {
    _LLAMA3: LLAMA_BPE,
    _QWEN2: QWEN2,
    _GPT_4O: PreTokenizer("gpt-4o", ignore_merges=False),  # Phi-4-mini
    _TEKKEN: PreTokenizer("tekken", ignore_merges=True),  # Mistral Nemo
}


def recognise(entry: object, ignore_merges: bool) -> PreTokenizer:
    """`entry` is the `pre_tokenizer` of a tokenizer.json, `ignore_merges` its model's."""
    match _steps(entry):
        case [{"type": "ByteLevel", "add_prefix_space": False} as bytes_] if bytes_.get("use_regex", True):
            return GPT2
        case [
            {"type": "Digits", "individual_digits": True},
            {"type": "ByteLevel", "add_prefix_space": False} as bytes_,
        ] if bytes_.get("use_regex", True):
            return SMOLLM
        case [
            {"type": "Split", "pattern": {"Regex": str(regex)}} as split,
            {"type": "ByteLevel", "add_prefix_space": False, "use_regex": False},
        ] if regex in _BY_REGEX and _isolates(split):
            found = _BY_REGEX[regex]
            return DBRX if found is LLAMA_BPE and not ignore_merges else found
        case steps:
            kinds = " then ".join(str(step.get("type")) for step in steps) or "none"
            raise TokenizerUnsupported(
                f"the tokenizer splits text in a way llama.cpp is not known to repeat ({kinds})",
                "known: GPT-2, GPT-4, GPT-4o, Llama 3, Qwen 2, SmolLM, Tekken; look for a GGUF of this model",
            )


def _isolates(split: _Json) -> bool:
    """What matches is a piece; so is what is left when all else is removed, and nothing is."""
    return (split.get("behavior"), split.get("invert")) in (("Isolated", False), ("Removed", True))


def _steps(entry: object) -> list[_Json]:
    if not isinstance(entry, dict):
        return []
    inner = entry.get("pretokenizers") if entry.get("type") == "Sequence" else [entry]
    return [step for step in inner if isinstance(step, dict)] if isinstance(inner, list) else []
