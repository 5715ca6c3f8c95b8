"""Texts that a chat template or a tokenizer takes for the end of a turn and the beginning of another."""

from __future__ import annotations

import re
from collections.abc import Iterator

from hone_trainer.datasets.patterns import Patterns, pattern
from hone_trainer.datasets.problems import Problem, shown
from hone_trainer.datasets.row_text import RowText
from hone_trainer.datasets.rows import Row

# What they belong to stands behind each; all are texts that the tokenizer reads as one token of its own.
TOKENS = Patterns(
    pattern("ChatML, Llama 3, Phi", "<|", r"<\|[A-Za-z0-9_\u2581|/-]{1,40}\|>"),
    pattern("DeepSeek", "<\uff5c", r"<\uff5c[^\n\uff5c<>]{1,40}\uff5c>"),
    pattern("Llama 2, Mistral", "inst", r"\[/?INST\]"),
    pattern("Llama 2", "sys", r"<</?SYS>>"),
    pattern("Llama 2", "<s> </s>", r"\A\s{0,99}+<s>|</s>(?=\s{0,99}+\Z)|</?s>(?=\s{0,9}+(?:<s>|\[INST))"),
    pattern("Gemma", "turn", r"<(?:start|end)_of_turn>"),
    pattern("T5, Gemma", "bos eos pad unk", r"<(?:bos|eos|pad|unk)>"),
    pattern("Mistral",
            "tool tools",
            r"\[/?(?:AVAILABLE_TOOLS|TOOL_CALLS|TOOL_RESULTS)\]"),
    pattern("reasoning models", "think", r"</?think>"),
    pattern(
        "Alpaca, Vicuna", "###",
        r"^[ \t]{0,9}+#{3}[ \t]?(?:Human|User|Assistant|System|Instruction|Response|Input):", re.MULTILINE,
    ),
    pattern("Vicuna, guanaco", "###", r"###[ ]?(?:Human|Assistant):"),
    pattern("Claude 2", "human assistant", r"(?<=\n\n)(?:Human|Assistant):(?=[ ])"),
)  # fmt: skip
_MARKS = re.compile(r"[<>|\[\]\uff5c#]+")


def control_token_problems(row: Row, text: RowText) -> Iterator[Problem]:
    """One a turn at most: what mends one mends all."""
    possible = TOKENS.possible(text)
    for turn in row.turns if possible else ():
        for each in possible:
            if match := each.regex.search(turn.content):
                yield Problem(
                    "control_tokens",
                    f'"{shown(match[0], 40)}" in a turn of the {shown(turn.role, 20)} is a control token of '
                    f"{each.what}",
                    f'take it out, or write "{shown(_harmless(match), 40)}" (--fix does)',
                )
                break


def neutralised(text: str) -> str:
    """The words of each token without the signs that make it one."""
    for each in TOKENS:
        text = each.regex.sub(_harmless, text)
    return text


def _harmless(match: re.Match[str]) -> str:
    """``<|im_start|>`` becomes ``(im_start)``, ``### Human:`` becomes ``Human -``."""
    if match[0].endswith(":"):
        return _MARKS.sub("", match[0][:-1]).strip() + " -"
    inner = _MARKS.sub("", match[0]).strip()
    return f"({inner})"
