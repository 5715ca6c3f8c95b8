"""The text of a row as the gates look over it: once in lower case and once as words, so that each gate need not."""

from __future__ import annotations

from dataclasses import dataclass

from hone_trainer.datasets.rows import Row
from hone_trainer.datasets.shingles import plain_words

_DIGITS = b"0123456789"


@dataclass(frozen=True, slots=True)
class RowText:
    lower: str
    words: frozenset[bytes]
    """Runs of letters and digits, in lower case; all other signs part them, the underscore too."""
    longest_word: int
    digits: int
    controls: int
    """Characters of ASCII that print nothing and are no white space."""

    prompt: str
    prompt_words: list[bytes]
    """Of all that stands before the answer, one after the other."""

    @classmethod
    def of(cls, row: Row) -> RowText:
        prompt, answer = row.prompt, row.answer.lower()
        lower = f"{prompt.lower()}\n{answer}"
        prompt_words = plain_words(prompt)
        words = frozenset(prompt_words + plain_words(answer))
        data = lower.encode("utf-8", "surrogatepass")
        return cls(
            lower,
            words,
            len(max(words, key=len, default=b"")),
            len(data) - len(data.translate(None, _DIGITS)),
            len(data) - len(data.translate(None, CONTROLS)),
            prompt,
            prompt_words,
        )


CONTROLS = bytes(code for code in (*range(32), 127) if code not in b"\t\n\r")
