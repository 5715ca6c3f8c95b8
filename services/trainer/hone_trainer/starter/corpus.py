"""The corpus: passages drawn by seed, tokenised and packed into rows, in numbered shards.

Shard `n` depends on the seed and `n` alone, so it can be made in any order, in any process, at any time.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from random import Random

import numpy as np
import numpy.typing as npt
from tokenizers import Tokenizer

from hone_contracts import erd_facts
from hone_trainer.starter.lexicon import Lexicon
from hone_trainer.starter.passages import Sample, sample
from hone_trainer.starter.tokenizer import ANSWER_TURN, END, PAD, USER_TURN, Vocabulary

# By shard; later ones take every length.
_LONGEST_PASSAGE_WORDS = {0: 12, 1: 18, 2: 28}
_FINGERPRINT_SHARD = -2  # shards below zero are not trained on
IntArray = npt.NDArray[np.int32]


@dataclass(frozen=True, slots=True)
class Rows:
    """Packed rows: `tokens` and `targets` are [rows, length] (target -1: no loss here), `documents` numbers
    the passage within its row that each token belongs to (0: padding)."""

    tokens: IntArray
    targets: IntArray
    documents: IntArray


def samples(seed: int, shard: int, count: int) -> Iterator[Sample]:
    """The passages of one shard. The first shards hold short ones only, so that copying is learned where there
    is little to copy from."""
    lexicon = Lexicon(seed)
    rng = Random(f"{seed}:shard:{shard}")  # noqa: S311 - a corpus, not a secret
    longest = _LONGEST_PASSAGE_WORDS.get(shard, 60)
    while count > 0:
        drawn = sample(lexicon, rng)
        if len(drawn.passage.split()) <= longest:
            count -= 1
            yield drawn


def evaluation_samples(seed: int, split: str, count: int) -> list[Sample]:
    """One of the held-out splits: "names" (names never seen, phrasings seen), "both" (neither seen) or
    "empty" (kinds of empty sentences never seen)."""
    lexicon = Lexicon(seed)
    rng = Random(f"{seed}:evaluation:{split}")  # noqa: S311
    found: list[Sample] = []
    while len(found) < count:
        drawn = sample(
            lexicon,
            rng,
            held_names=True,
            held_phrasings=split != "names",
            kind="empty" if split == "empty" else None,
        )
        if split == "empty" or drawn.facts:
            found.append(drawn)
    return found


def fingerprint(seed: int) -> str:
    """A hash of what the corpus says: of a thousand of its passages and answers."""
    digest = sha256()
    for drawn in samples(seed, _FINGERPRINT_SHARD, 1000):
        digest.update(f"{drawn.subject}\n{drawn.passage}\n{erd_facts.dumps(drawn.facts)}\n".encode())
    return digest.hexdigest()


def prompt(drawn: Sample) -> str:
    """All that stands before the answer, as the chat template renders it."""
    return f"{USER_TURN}{erd_facts.passage_prompt(drawn.subject, drawn.passage)}{ANSWER_TURN}"


def encoded(vocabulary: Vocabulary, drawn: list[Sample]) -> list[tuple[list[int], list[int]]]:
    """For each passage its tokens, and its targets: the next token within the answer, -1 before it."""
    prompts = vocabulary.encode_all([prompt(s) for s in drawn])
    answers = vocabulary.encode_all([erd_facts.dumps(s.facts) for s in drawn])
    end = vocabulary.id(END)
    result: list[tuple[list[int], list[int]]] = []
    for before, answer in zip(prompts, answers, strict=True):
        tokens = [*before, *answer]  # the end is only ever predicted, never read
        targets = [-1] * (len(before) - 1) + [*answer, end]
        result.append((tokens, targets))
    return result


def packed(vocabulary: Vocabulary, drawn: list[Sample], length: int) -> Rows:
    """Passages put into rows of `length` tokens, first fit among a few open rows, in their order. A passage
    longer than a row is left out."""
    pad = vocabulary.id(PAD)
    rows: list[list[tuple[list[int], list[int]]]] = []
    room: list[int] = []
    first_open = 0
    for tokens, targets in encoded(vocabulary, drawn):
        if len(tokens) > length:
            continue
        place = next((r for r in range(first_open, len(rows)) if room[r] >= len(tokens)), None)
        if place is None:
            place = len(rows)
            rows.append([])
            room.append(length)
            first_open = max(0, len(rows) - 24)
        rows[place].append((tokens, targets))
        room[place] -= len(tokens)
    result = Rows(*(np.full((len(rows), length), fill, np.int32) for fill in (pad, -1, 0)))
    for index, row in enumerate(rows):
        at = 0
        for number, (tokens, targets) in enumerate(row, 1):
            span = slice(at, at + len(tokens))
            result.tokens[index, span], result.targets[index, span] = tokens, targets
            result.documents[index, span] = number
            at += len(tokens)
    return result


def write_shard(path: Path, tokenizer: Path, shard: int, *, seed: int, count: int, length: int) -> None:
    """Make one shard; it appears complete or not at all."""
    vocabulary = Vocabulary(Tokenizer.from_file(str(tokenizer)))
    drawn = list(samples(seed, shard, count))
    rows = packed(vocabulary, drawn, length)
    order = np.random.default_rng([seed, shard]).permutation(len(rows.tokens))
    temporary = path.with_suffix(".tmp.npz")
    np.savez(
        temporary,
        tokens=rows.tokens[order].astype(np.int16),
        targets=rows.targets[order].astype(np.int16),
        documents=rows.documents[order].astype(np.int8),
    )
    temporary.rename(path)


def read_shard(path: Path) -> Rows:
    with np.load(path) as file:
        return Rows(*(file[name].astype(np.int32) for name in ("tokens", "targets", "documents")))
