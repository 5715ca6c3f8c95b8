"""Unicode's normal forms in time linear in the text.

Python sorts the marks on a character by insertion: sixty thousand of them take it half a minute, in which nothing
else of the process runs. No language piles up more than a few; Unicode's stream-safe format (UAX #15) allows thirty.
"""

import re
import unicodedata
from typing import Literal

MOST_MARKS = 30

# Whatever may be a mark, by itself or by its decomposition: the two halfwidth sound marks count as letters.
_MAY_PILE = re.compile(r"(?:[^\w\s\x00-\x7f]|[\uff9e\uff9f]){10,}")


def normal_form(form: Literal["NFC", "NFKC", "NFKD"], text: str) -> str:
    """As ``unicodedata.normalize``, without the marks beyond the thirtieth on one character."""
    if text.isascii():
        return text
    return unicodedata.normalize(form, _MAY_PILE.sub(_levelled, text))


def has_pile(text: str) -> bool:
    """Whether a character has more than thirty marks."""
    return not text.isascii() and any(_levelled(run) != run[0] for run in _MAY_PILE.finditer(text))


def _levelled(run: re.Match[str]) -> str:
    kept, height = [], 0
    for char in run[0]:
        marks = unicodedata.normalize("NFKD", char)
        height = height + len(marks) if unicodedata.combining(marks[0]) else 0
        if height <= MOST_MARKS:
            kept.append(char)
    return "".join(kept)
