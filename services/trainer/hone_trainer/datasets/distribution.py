"""Lengths, labels and sizes of the set as a whole."""

from __future__ import annotations

from array import array
from collections import Counter
from collections.abc import Iterator
from zlib import crc32

import numpy as np
from numpy.typing import NDArray

from hone_trainer.datasets.findings import WHOLE_SET
from hone_trainer.datasets.problems import Problem
from hone_trainer.datasets.rows import Row
from hone_trainer.datasets.settings import GateSettings

_SIGMA = 1.4826  # makes the median absolute deviation of a normal distribution its standard deviation
_TIGHTEST = 0.1  # of the logarithm: sets whose texts are all of one length flag no small difference


class Distribution:
    def __init__(self, settings: GateSettings) -> None:
        self._settings = settings
        self._numbers, self._prompts, self._answers = array("L"), array("L"), array("L")
        self._labels: Counter[bool | None] = Counter()
        self._same: Counter[int] = Counter()

    def see(self, row: Row) -> None:
        answer = row.answer
        self._numbers.append(row.number)
        self._prompts.append(sum(len(turn.content.strip()) for turn in row.prompt_turns))
        self._answers.append(len(answer.strip()))
        self._labels[row.label] += 1
        self._same[crc32(answer.encode("utf-8", "surrogatepass"))] += 1

    def at_the_end(self) -> Iterator[tuple[int, Problem]]:
        rows = len(self._numbers)
        if rows < self._settings.min_rows:
            yield _whole(f"there are {rows} rows", f"collect at least {self._settings.min_rows}")
        yield from self._one_sided(rows)
        yield from self._same_answer(rows)
        if rows >= self._settings.outlier_min_rows:
            numbers = np.frombuffer(self._numbers, dtype=np.uint64)
            yield from self._outliers("question", numbers, np.frombuffer(self._prompts, dtype=np.uint64))
            yield from self._outliers("answer", numbers, np.frombuffer(self._answers, dtype=np.uint64))

    def _one_sided(self, rows: int) -> Iterator[tuple[int, Problem]]:
        good, bad, unlabelled = (self._labels[label] for label in (True, False, None))
        if good + bad == 0:
            return
        if unlabelled:
            yield _whole(f"{unlabelled} of {rows} rows have no label", "label all of them or none")
        rarer, name = min((good, "true"), (bad, "false"))
        if rarer < self._settings.label_share * (good + bad):
            yield _whole(
                f"the labels are one-sided: {good} true, {bad} false",
                f"add rows with {name}: at least {self._settings.label_share:.0%} of the labels",
            )

    def _same_answer(self, rows: int) -> Iterator[tuple[int, Problem]]:
        if rows < self._settings.min_rows:
            return
        ((_, most),) = self._same.most_common(1)
        if most > self._settings.same_answer_share * rows:
            yield _whole(f"{most} of {rows} rows have the same answer", "keep a few of them")

    def _outliers(
        self, what: str, numbers: NDArray[np.uint64], lengths: NDArray[np.uint64]
    ) -> Iterator[tuple[int, Problem]]:
        logs = np.log(np.maximum(lengths, 1))
        median = float(np.median(logs))
        # Either side has its own spread: answers of several kinds are short in many ways and long in few.
        spread = np.where(
            logs > median, _spread(logs[logs >= median] - median), _spread(median - logs[logs <= median])
        )
        least = np.maximum(self._settings.outlier_deviations * spread, np.log(self._settings.outlier_factor))
        usual = round(float(np.exp(median)))
        for place in np.flatnonzero(np.abs(logs - median) > least):
            if lengths[place] == 0:
                continue  # an empty one has a gate of its own
            length, kind = int(lengths[place]), "long" if logs[place] > median else "short"
            if what == "question" and kind == "short":
                continue  # "hi" is one
            yield (
                int(numbers[place]),
                Problem(
                    "distribution",
                    f"the {what} is very {kind}: {length:,} characters where the usual is {usual:,}",
                    "look whether it belongs here"
                    if kind == "short"
                    else "look whether it belongs here, or split it",
                ),
            )


def _spread(distances: NDArray[np.float64]) -> float:
    return max(_SIGMA * float(np.median(distances)), _TIGHTEST)


def _whole(message: str, suggestion: str) -> tuple[int, Problem]:
    return WHOLE_SET, Problem("distribution", message, suggestion)
