"""The text of a row as the gates look over it: once in lower case and once as words, so that each gate need not."""

from __future__ import annotations

from dataclasses import dataclass

from hone_trainer.datasets.rows import Row
from hone_trainer.datasets.shingles import words_of_lower

_DIGITS = b"0123456789"
_CONTROLS = bytes(code for code in (*range(32), 127) if code not in b"\t\n\r")


@dataclass(frozen=True, slots=True)
class RowText:
    prompt: str
    prompt_words: list[bytes]
    """Of all that stands before the answer, one after the other."""
    lower: str
    words: frozenset[bytes]
    """Runs of letters and digits, in lower case; all other signs part them, the underscore too."""

    @classmethod
    def of(cls, row: Row) -> RowText:
        prompt, answer = row.prompt, row.answer.lower()
        prompt_lower = prompt.lower()
        prompt_words = words_of_lower(prompt_lower)
        words = frozenset(prompt_words + words_of_lower(answer))
        return cls(prompt, prompt_words, f"{prompt_lower}\n{answer}", words)

    def longest_word(self) -> int:
        return max(map(len, self.words), default=0)

    def digits(self) -> int:
        return self._count(_DIGITS)

    def controls(self) -> int:
        """Characters of ASCII that print nothing and are no white space."""
        return self._count(_CONTROLS)

    def _count(self, characters: bytes) -> int:
        data = self.lower.encode("utf-8", "surrogatepass")
        return len(data) - len(data.translate(None, characters))
