"""How alike requirements are: the cosine of TF-IDF vectors of their words and word pairs. Pure Python: there are a
few hundred candidates at most."""

import math
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import pairwise

_WORD = re.compile(r"[^\W_]+")
_MOST_WORDS = 2_000
"""Of a text: what it is about stands in its first pages."""

Vector = dict[str, float]
"""Of length 1; empty for a text without words."""


def vectors(texts: Sequence[str]) -> list[Vector]:
    counts = [Counter(_terms(text)) for text in texts]
    among = Counter(term for each in counts for term in each)
    # Smoothed as in scikit-learn: a term of all texts still counts a little, so that equal texts are alike.
    weights = {term: math.log((1 + len(texts)) / (1 + n)) + 1 for term, n in among.items()}
    return [_of_length_one({term: n * weights[term] for term, n in each.items()}) for each in counts]


def cosine(left: Vector, right: Vector) -> float:
    """0 for nothing in common, 1 for the same."""
    if len(left) > len(right):
        left, right = right, left
    return min(1.0, sum(weight * right[term] for term, weight in left.items() if term in right))


def centre(those: Sequence[Vector]) -> Vector:
    """What they are about together."""
    whole: Counter[str] = Counter()
    for each in those:
        whole.update(each)
    return _of_length_one(dict(whole))


def _terms(text: str) -> Iterator[str]:
    words = [match[0] for match, _ in zip(_WORD.finditer(text.lower()), range(_MOST_WORDS), strict=False)]
    yield from words
    for pair in pairwise(words):
        yield " ".join(pair)


def _of_length_one(vector: dict[str, float]) -> Vector:
    length = math.sqrt(sum(weight * weight for weight in vector.values()))
    return {term: weight / length for term, weight in vector.items()} if length else {}
