"""What is read in which order: the pool's pairs, again and again, among new passages of the starter's own corpus."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from random import Random

import numpy as np
import numpy.typing as npt

from hone_trainer.finetune.errors import PairsInvalid
from hone_trainer.finetune.pairs import Pair
from hone_trainer.finetune.renaming import Renamer
from hone_trainer.finetune.spec import Settings
from hone_trainer.starter import corpus
from hone_trainer.starter.export import CONTEXT_TOKENS
from hone_trainer.starter.recipe import Recipe
from hone_trainer.starter.tokenizer import ANSWER_TURN, CONTROL, END, START, USER_TURN, Vocabulary

CORPUS_SEED = Recipe().seed
"""Of the corpus that made the shipped starter: its held-out words and phrasings stay held out."""

ROW_TOKENS = 160  # as in the starter's training; a longer passage makes longer rows in its batch
_FIRST_SHARD = 1000  # far beyond those that the starter was trained on


@dataclass(frozen=True, slots=True)
class Lesson:
    """A passage as tokens. A target is the next token within the answer, -1 before it. One that is `recalled` is
    to be answered as the base answers it, right or wrong."""

    tokens: Sequence[int]
    targets: Sequence[int]
    weight: float = 1.0
    recalled: bool = False


@dataclass(frozen=True, slots=True)
class Batch:
    """Lessons in rows, [rows, length] each. `documents` numbers the lesson within its row that a token belongs to
    (0: padding), `weights` are those of the targets. The first `recalled` rows are of lessons to be recalled."""

    tokens: npt.NDArray[np.int64]
    targets: npt.NDArray[np.int64]
    documents: npt.NDArray[np.int64]
    weights: npt.NDArray[np.float32]
    recalled: int = 0

    @property
    def read(self) -> int:
        """Tokens in it, padding left out."""
        return int((self.documents > 0).sum())

    def first(self, rows: int) -> "Batch":
        """Those rows alone."""
        tokens, targets, documents = self.tokens[:rows], self.targets[:rows], self.documents[:rows]
        return Batch(tokens, targets, documents, self.weights[:rows], min(rows, self.recalled))


def of_pairs(vocabulary: Vocabulary, pairs: Sequence[Pair], path: Path) -> tuple[list[Lesson], int]:
    """The pairs that the model's context has room for, and how many were longer. Raises PairsInvalid where a text
    holds the marks of a turn: it would be trained on as if it were several."""
    lessons: list[Lesson] = []
    end = vocabulary.id(END)
    for number, pair in enumerate(pairs, 1):
        if any(mark in text for text in (pair.system or "", pair.user, pair.assistant) for mark in CONTROL):
            raise PairsInvalid(
                path, None, f"pair {number} of those trained on spells a mark of the chat template"
            )
        system = f"{START}system\n{pair.system}{END}\n" if pair.system else ""
        before = vocabulary.encode(f"{system}{USER_TURN}{pair.user}{ANSWER_TURN}")
        answer = vocabulary.encode(pair.assistant)
        if len(before) + len(answer) <= CONTEXT_TOKENS:
            targets = [-1] * (len(before) - 1) + [*answer, end]
            lessons.append(Lesson([*before, *answer], targets, pair.weight))
    return lessons, len(pairs) - len(lessons)


def replay(vocabulary: Vocabulary, seed: int, tokens: int) -> list[Lesson]:
    """New passages of the starter's corpus, about so many tokens long together."""
    lessons: list[Lesson] = []
    room, shard = tokens, _FIRST_SHARD + seed
    drawn = corpus.samples(CORPUS_SEED, shard, 1_000_000)  # drawn one by one, as far as they are needed
    while room > 0:
        some = [next(drawn) for _ in range(256)]
        for told, targets in corpus.encoded(vocabulary, some):
            if room > 0:
                lessons.append(Lesson(told, targets, recalled=True))
                room -= len(told)
    return lessons


def old_skills(vocabulary: Vocabulary, count: int) -> list[Lesson]:
    """Passages whose names and phrasings the starter never saw."""
    drawn = corpus.evaluation_samples(CORPUS_SEED, "both", count)
    return [Lesson(tokens, targets) for tokens, targets in corpus.encoded(vocabulary, drawn)]


def epochs(
    vocabulary: Vocabulary, pairs: Sequence[Pair], settings: Settings, seed: int, path: Path
) -> list[list[Lesson]]:
    """The pool as each epoch reads it, the last one maybe a part of it: always in another order, and a share of it
    under other names. Raises PairsInvalid."""
    rng = Random(seed)  # noqa: S311 - an order, not a secret
    renamer = Renamer.of(CORPUS_SEED, f"{seed}:names")
    found: list[list[Lesson]] = []
    left = settings.epochs
    while left > 0:
        some = rng.sample(pairs, math.ceil(len(pairs) * min(1.0, left)))
        told = [renamer.renamed(pair) if rng.random() < settings.renamed_share else pair for pair in some]
        found.append(of_pairs(vocabulary, told, path)[0])
        left = round(left - 1, 9)
    return found


def mixed(pool: Sequence[Sequence[Lesson]], again: Sequence[Lesson], seed: int) -> list[Lesson]:
    """The whole course: each epoch with its share of the replay."""
    rng = Random(seed)  # noqa: S311 - an order, not a secret
    total, course, begin = sum(len(epoch) for epoch in pool), list[Lesson](), 0
    read = 0
    for epoch in pool:
        read += len(epoch)
        end = round(len(again) * read / total)
        both = [*epoch, *again[begin:end]]
        rng.shuffle(both)
        course += both
        begin = end
    return course


def batches(course: Sequence[Lesson], tokens: int, pad: int) -> Iterator[Batch]:
    """The course in its order, in steps of about so many tokens."""
    some: list[Lesson] = []
    read, steps = 0, 0
    for lesson in course:
        some.append(lesson)
        read += len(lesson.tokens)
        if read >= tokens:
            yield batch_of(some, pad)
            some, read, steps = [], 0, steps + 1
    # A last step of a few passages would count as much as a whole one; a course that has no other takes it.
    if some and (read >= tokens // 4 or not steps):
        yield batch_of(some, pad)


def batch_of(lessons: Sequence[Lesson], pad: int) -> Batch:
    """Put into rows, those to be recalled apart from the others."""
    length = max(ROW_TOKENS, *(len(lesson.tokens) for lesson in lessons))
    recalled = _packed([lesson for lesson in lessons if lesson.recalled], length)
    rows = [*recalled, *_packed([lesson for lesson in lessons if not lesson.recalled], length)]
    tokens, targets, documents = (np.full((len(rows), length), fill, np.int64) for fill in (pad, -1, 0))
    weights = np.zeros((len(rows), length), np.float32)
    for index, row in enumerate(rows):
        at = 0
        for number, lesson in enumerate(row, 1):
            span = slice(at, at + len(lesson.tokens))
            tokens[index, span], targets[index, span] = lesson.tokens, lesson.targets
            documents[index, span], weights[index, span] = number, lesson.weight
            at += len(lesson.tokens)
    return Batch(tokens, targets, documents, weights, len(recalled))


def _packed(lessons: Sequence[Lesson], length: int) -> list[list[Lesson]]:
    """Rows of so many tokens: the longest lesson first, each where it fits."""
    rows: list[list[Lesson]] = []
    room: list[int] = []
    for lesson in sorted(lessons, key=lambda lesson: -len(lesson.tokens)):
        place = next((row for row, left in enumerate(room) if left >= len(lesson.tokens)), len(rows))
        if place == len(rows):
            rows.append([])
            room.append(length)
        rows[place].append(lesson)
        room[place] -= len(lesson.tokens)
    return rows
