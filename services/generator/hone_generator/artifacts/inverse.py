"""From an artifact back to the answer that it is made of: what a model should have said.

Corrections are people's work, or an attacker's. What the answer's form has no place for is told as a reason, or is
left out and found by comparing what the answer would be made into.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass, field

from pydantic import BaseModel

from hone_contracts.artifacts import Evidence

_MOST_QUOTE_CHARS = 80
_SIGNS = re.compile(r"[\W_]+")


class Inexpressible(Exception):
    """No answer gives this artifact. The message says why."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


@dataclass(frozen=True, slots=True)
class Quotes:
    """The words of the requirements that elements rest on, as far as they are known."""

    texts: dict[str, str] = field(default_factory=dict)

    @classmethod
    def of(cls, evidence: Iterable[Evidence]) -> "Quotes":
        """The first passage of each element counts."""
        quotes = cls()
        for each in evidence:
            quotes.texts.setdefault(_folded(each.element), each.text)
        return quotes

    def of_element(self, kind: str, *names: str) -> str:
        """The beginning of its passage, so that an example stays short; "" where nothing is known."""
        text = self.texts.get(_folded(f"{kind}:{'.'.join(names)}"), "")
        if len(text) <= _MOST_QUOTE_CHARS:
            return text
        return text[:_MOST_QUOTE_CHARS].rpartition(" ")[0]


def written(answer: BaseModel) -> str:
    """The document as a model writes it: without a space, keys as its schema has them."""
    return answer.model_dump_json(by_alias=True)


def _folded(element: str) -> str:
    return _SIGNS.sub("", element).casefold()
