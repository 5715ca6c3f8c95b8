"""Texts as sets of word triples, each a 64-bit number: what similarity is measured on.

Jaccard similarity of the sets of word triples is the standard measure for near-duplicates (Broder 1997): one word
changed touches three triples, so a text of forty words with one word changed keeps 0.86.
"""

from __future__ import annotations

import re
from array import array
from collections.abc import Callable, Iterable
from zlib import crc32

import numpy as np
from numpy.typing import NDArray

_SEPARATORS = bytes(code if chr(code).isalnum() else 32 for code in range(128)) + bytes(range(128, 256))
# Scripts without spaces between words: each character is one.
_IDEOGRAPH = re.compile("[\u0e00-\u0eff\u1780-\u17ff\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff]")
_NOT_WORD = re.compile(r"[\W_]+")
# Odd constants of splitmix64; the three places of a triple must not be interchangeable.
_PLACES = (
    np.uint64(0x9E3779B97F4A7C15),
    np.uint64(0xBF58476D1CE4E5B9),
    np.uint64(0x94D049BB133111EB),
)
_SHIFT = np.uint64(31)
_WORDS_A_BLOCK = 1 << 18

Words = Callable[[str], "list[bytes]"]


def plain_words(text: str) -> list[bytes]:
    """Words alone, in lower case: for requirements, where punctuation says nothing."""
    return words_of_lower(text.lower())


def words_of_lower(lower: str) -> list[bytes]:
    if lower.isascii():
        return lower.encode().translate(_SEPARATORS).split()
    spaced = _NOT_WORD.sub(" ", _IDEOGRAPH.sub(r" \g<0> ", lower))
    return spaced.encode("utf-8", "surrogatepass").split()


def exact_words(text: str) -> list[bytes]:
    """What stands between white space, as it is: for artifacts, whose signs and capitals mean something."""
    return text.encode("utf-8", "surrogatepass").split()


class Shingles:
    """The triples of many texts, one after the other; text ``i`` owns ``flat[starts[i]:starts[i + 1]]``.

    A text of fewer than three words is one triple; one without words is its characters.
    """

    def __init__(self, words: Words = plain_words, salt: int = 0) -> None:
        """``salt`` keeps the triples of one collection apart from those of another."""
        self._words, self._salt = words, np.uint64(salt)
        self._hashes, self._counts = array("I"), array("L")
        self._blocks: list[NDArray[np.uint64]] = []
        self._lengths: list[NDArray[np.int64]] = []

    @classmethod
    def of(cls, texts: Iterable[str], words: Words = plain_words) -> Shingles:
        shingles = cls(words)
        for text in texts:
            shingles.add(text)
        return shingles

    def add(self, text: str) -> None:
        self.add_words(self._words(text) or [text.encode("utf-8", "surrogatepass")])

    def add_words(self, words: list[bytes]) -> None:
        """The next text, as words; at least one."""
        self._hashes.extend(map(crc32, words))
        self._counts.append(len(words))
        if len(self._hashes) >= _WORDS_A_BLOCK:
            self._close_block()

    def _close_block(self) -> None:
        if not self._counts:
            return
        words = np.frombuffer(self._hashes, dtype=np.uint32).astype(np.uint64)
        counts = np.frombuffer(self._counts, dtype=np.uint64).astype(np.int64)
        self._hashes, self._counts = array("I"), array("L")
        triples, lengths = _triples(words, counts)
        self._blocks.append(_mixed(triples ^ self._salt))
        self._lengths.append(lengths)

    @property
    def flat(self) -> NDArray[np.uint64]:
        self._close_block()
        if len(self._blocks) > 1:
            self._blocks = [np.concatenate(self._blocks)]
        return self._blocks[0] if self._blocks else np.empty(0, np.uint64)

    @property
    def starts(self) -> NDArray[np.int64]:
        """One more than there are texts."""
        self._close_block()
        lengths = np.concatenate(self._lengths) if self._lengths else np.empty(0, np.int64)
        return np.concatenate([np.zeros(1, np.int64), np.cumsum(lengths)])


def _triples(
    words: NDArray[np.uint64], counts: NDArray[np.int64]
) -> tuple[NDArray[np.uint64], NDArray[np.int64]]:
    """The triples of texts of ``counts`` words that stand one after the other, and how many each text has."""
    padded = np.concatenate([words, np.zeros(2, np.uint64)])
    size = len(words)
    ends = np.repeat(np.cumsum(counts), counts)  # where the text of each word ends
    place = np.arange(size)
    second = np.where(place + 1 < ends, padded[1 : size + 1], np.uint64(0))
    third = np.where(place + 2 < ends, padded[2 : size + 2], np.uint64(0))
    triples = np.asarray(words * _PLACES[0] + second * _PLACES[1] + third * _PLACES[2], dtype=np.uint64)
    lengths: NDArray[np.int64] = np.maximum(counts - 2, 1)
    first = np.repeat(np.cumsum(counts) - counts, counts)
    whole = place - first < np.repeat(lengths, counts)
    return triples[whole], lengths


def _mixed(numbers: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """splitmix64's last steps: every bit depends on every bit."""
    numbers = (numbers ^ (numbers >> _SHIFT)) * _PLACES[1]
    return numbers ^ (numbers >> _SHIFT)
