"""The text of a row as the gates look over it: once in lower case and once as words, so that each gate need not."""

from __future__ import annotations

from dataclasses import dataclass

from hone_trainer.datasets.rows import Row

_DIGITS = b"0123456789"
_LETTERS = bytes(code for code in range(128) if chr(code).isalnum())
_SEPARATORS = bytes(code if code in _LETTERS or code >= 128 else 32 for code in range(256))


@dataclass(frozen=True, slots=True)
class RowText:
    lower: str
    words: frozenset[bytes]
    """Runs of letters and digits, in lower case; other signs of ASCII part them, the underscore too."""
    longest_word: int
    digits: int
    controls: int
    """Characters of ASCII that print nothing and are no white space."""

    @classmethod
    def of(cls, row: Row) -> RowText:
        lower = "\n".join([turn.content for turn in row.turns]).lower()
        data = lower.encode("utf-8", "surrogatepass")
        words = frozenset(data.translate(_SEPARATORS).split())
        return cls(
            lower,
            words,
            max(map(len, words), default=0),
            len(data) - len(data.translate(None, _DIGITS)),
            len(data) - len(data.translate(None, CONTROLS)),
        )


CONTROLS = bytes(code for code in (*range(32), 127) if code not in b"\t\n\r")
