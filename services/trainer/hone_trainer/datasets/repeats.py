"""Rows that say the same: duplicates, contradictions, and held-out questions that are trained on.

Rows are alike when both their questions and their answers are. Questions whose numbers differ are not alike: the
numbers are what they ask about.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterator
from hashlib import blake2b

import numpy as np

from hone_trainer.datasets.minhash import Signatures, sign
from hone_trainer.datasets.near import Joined, Similarity, near_pairs, near_pairs_across
from hone_trainer.datasets.problems import Problem
from hone_trainer.datasets.row_text import RowText
from hone_trainer.datasets.rows import Row
from hone_trainer.datasets.settings import GateSettings
from hone_trainer.datasets.shingles import Shingles, exact_words, plain_words

_ANSWER_SALT = 0x5851F42D4C957F2D
_CONTRADICTION_BELOW = 0.5
"""Similarity of two answers under which they are not versions of one."""


class Repeats:
    def __init__(self, settings: GateSettings) -> None:
        self._threshold = settings.near_duplicate
        self._prompts = Shingles(plain_words)
        self._answers = Shingles(exact_words, _ANSWER_SALT)
        self._rows = array("L")
        self._numbers_asked = array("Q")
        self._labels = array("b")
        self._held_out_from: int | None = None
        self._first_row: dict[bytes, int] = {}
        self._first_prompts: dict[bytes, int] = {}
        self._copies: list[tuple[int, int]] = []
        self._same_prompts: list[tuple[int, int]] = []

    def see(self, row: Row, text: RowText, held_out: bool = False) -> None:
        """All rows that are trained on come before those held out."""
        place, prompt = self._add(row, text)
        if held_out:
            self._held_out_from = place if self._held_out_from is None else self._held_out_from
            return
        same = self._first_row.setdefault(
            prompt + _digest(row.answer.strip().encode("utf-8", "surrogatepass")), place
        )
        if same != place:
            self._copies.append((place, same))
        before = self._first_prompts.setdefault(prompt, place)
        if before != place and text.prompt.strip():  # an empty question has a gate of its own
            self._same_prompts.append((place, before))

    def _add(self, row: Row, text: RowText) -> tuple[int, bytes]:
        """Its place, and what its question is known by."""
        words = text.prompt_words or [text.prompt.encode("utf-8", "surrogatepass")]
        self._prompts.add_words(words)
        self._answers.add(row.answer)
        self._rows.append(row.number)
        self._labels.append(-1 if row.label is None else int(row.label))
        numbers = b" ".join([word for word in words if word.isdigit()])
        self._numbers_asked.append(int.from_bytes(_digest(numbers)[:8], "little"))
        return len(self._rows) - 1, _digest(b" ".join(words))

    def at_the_end(self) -> Iterator[tuple[int, Problem]]:
        if not self._rows:
            return
        self._alike_prompts, self._alike_answers = Similarity(self._prompts), Similarity(self._answers)
        prompts = sign(self._prompts, self._threshold)
        yield from self._duplicates(np.minimum(prompts, sign(self._answers, self._threshold)))
        yield from self._contradictions()
        if self._held_out_from is not None:
            yield from self._leaks(prompts, self._held_out_from)

    def _duplicates(self, signatures: Signatures) -> Iterator[tuple[int, Problem]]:
        trained = self._held_out_from if self._held_out_from is not None else len(self._rows)
        joined = Joined(len(self._rows))
        for place, first in self._copies:
            joined.join(first, place)
            if self._labels[first] != self._labels[place]:
                yield self._rows[place], self._both_labels(first)
                continue
            yield self._rows[place], self._duplicate(f"it is row {self._rows[first]} again")
        for left, right in near_pairs(signatures[:trained], self._threshold, joined):
            if self._near(left, right):
                joined.join(left, right)
                yield self._rows[right], self._duplicate(f"it is nearly row {self._rows[left]}")

    def _near(self, left: int, right: int) -> bool:
        return (
            self._labels[left] == self._labels[right]
            and self._asks_nearly(left, right)
            and self._alike_answers(left, right) >= self._threshold
        )

    def _duplicate(self, message: str) -> Problem:
        return Problem("duplicates", message, "keep one of them (--fix keeps the first)")

    def _both_labels(self, first: int) -> Problem:
        message = f"it is row {self._rows[first]} with the other label"
        return Problem("contradictions", message, "keep the one that is right")

    def _contradictions(self) -> Iterator[tuple[int, Problem]]:
        for place, first in self._same_prompts:
            # With labels, a wanted and an unwanted answer to one question are the point.
            if self._labels[place] != self._labels[first] or self._labels[place] == 0:
                continue
            if self._alike_answers(first, place) < _CONTRADICTION_BELOW:
                yield (
                    self._rows[place],
                    Problem(
                        "contradictions",
                        f"the question is row {self._rows[first]}'s, the answer another",
                        "keep the one that is right",
                    ),
                )

    def _leaks(self, prompts: Signatures, held_out_from: int) -> Iterator[tuple[int, Problem]]:
        """Named by the row that is trained on: it is the one to take out."""
        held_out: dict[tuple[int, bytes], int] = {}
        for place in range(held_out_from, len(self._rows)):
            held_out.setdefault(self._same_question(place), place)
        leaked: dict[int, tuple[int, str]] = {}
        for place in range(held_out_from):
            other = held_out.get(self._same_question(place))
            if other is not None:
                leaked[place] = (other, "is")
        for left, right in near_pairs_across(prompts, held_out_from, self._threshold):
            if left not in leaked and self._asks_nearly(left, right):
                leaked[left] = (right, "is nearly")
        for place, (other, how) in sorted(leaked.items()):
            message = f"its question {how} the one of held-out row {self._rows[other]}"
            yield (
                self._rows[place],
                Problem("leakage", message, "take it out of one of the two (--fix takes it out)"),
            )

    def _asks_nearly(self, left: int, right: int) -> bool:
        same_numbers = self._numbers_asked[left] == self._numbers_asked[right]
        return same_numbers and self._alike_prompts(left, right) >= self._threshold

    def _same_question(self, place: int) -> tuple[int, bytes]:
        flat, starts = self._prompts.flat, self._prompts.starts
        return self._numbers_asked[place], flat[starts[place] : starts[place + 1]].tobytes()


def _digest(data: bytes) -> bytes:
    return blake2b(data, digest_size=12).digest()
