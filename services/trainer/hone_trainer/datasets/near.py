"""Near-duplicates among many texts, in time linear in them: MinHash finds candidates, their triples decide."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import lru_cache

import numpy as np

from hone_trainer.datasets.minhash import Pairs, Signatures, candidates, candidates_across, likely, sign
from hone_trainer.datasets.shingles import Shingles, Words, plain_words


def groups(texts: Sequence[str], *, threshold: float, words: Words = plain_words) -> list[int]:
    """A group number per text; near-duplicates (Jaccard similarity of word triples ≥ ``threshold``) share one.

    Groups are numbered in the order of their first texts. The same texts give the same groups everywhere. What is
    similar through others is in one group too, so groups may be split between training and held-out set safely.
    """
    shingles = Shingles.of(texts, words)
    similarity = Similarity(shingles)
    joined = Joined(len(texts))
    for left, right in near_pairs(sign(shingles, threshold), threshold, joined):
        if similarity(left, right) >= threshold:
            joined.join(left, right)
    return joined.numbers()


def near_pairs(signatures: Signatures, threshold: float, joined: Joined) -> Iterator[tuple[int, int]]:
    """Candidates (earlier, later) that may reach ``threshold``; what ``joined`` holds together is not asked again."""
    for pairs in candidates(signatures, threshold):
        for left, right in _in_order(likely(signatures, pairs, threshold)):
            if joined.root(left) != joined.root(right):
                yield left, right


def near_pairs_across(
    signatures: Signatures, second_from: int, threshold: float
) -> Iterator[tuple[int, int]]:
    """Candidates of a text before ``second_from`` and one from there on, each once."""
    asked: set[tuple[int, int]] = set()
    for pairs in candidates_across(signatures, second_from, threshold):
        new = set(_in_order(likely(signatures, pairs, threshold))) - asked
        asked |= new
        yield from sorted(new)


def _in_order(pairs: Pairs) -> list[tuple[int, int]]:
    pairs = np.sort(pairs, axis=1)
    pairs = pairs[np.lexsort((pairs[:, 1], pairs[:, 0]))]
    return [(int(left), int(right)) for left, right in pairs]


class Similarity:
    """The exact Jaccard similarity of two of the texts."""

    def __init__(self, shingles: Shingles) -> None:
        self._flat, self._starts = shingles.flat, shingles.starts
        self._triples = lru_cache(maxsize=4096)(self._triples_of)

    def __call__(self, left: int, right: int) -> float:
        mine, others = self._triples(left), self._triples(right)
        shared = len(mine & others)
        return shared / (len(mine) + len(others) - shared)

    def _triples_of(self, number: int) -> frozenset[int]:
        return frozenset(self._flat[self._starts[number] : self._starts[number + 1]].tolist())


class Joined:
    """Which numbers belong together (union-find). The root of a group is its first number."""

    def __init__(self, size: int) -> None:
        self._parents = list(range(size))

    def root(self, number: int) -> int:
        parents = self._parents
        while parents[number] != number:
            parents[number] = parents[parents[number]]
            number = parents[number]
        return number

    def join(self, left: int, right: int) -> None:
        first, second = sorted((self.root(left), self.root(right)))
        self._parents[second] = first

    def numbers(self) -> list[int]:
        """A number per member, from 0, in the order of the groups' first members."""
        known: dict[int, int] = {}
        return [known.setdefault(self.root(number), len(known)) for number in range(len(self._parents))]
