"""The starter's byte-level BPE tokenizer.

Two things are unusual, both so that names can be copied token by token:

* Merges never cross a space, and only at the very end the space before a word is merged onto its first piece.
  So " member" and "member" are split alike, and every piece that can begin a word has a twin with a space.
* JSON pieces of the answer (`"]},{"r":["`) and the turns of the chat template are tokens of their own.
"""

import json
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Final

from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers, trainers

from hone_contracts.erd_facts import ATTRIBUTE_TYPES, CARDINALITIES, KEYS

SPACE = "Ġ"  # how byte-level BPE writes a space
END = "<|im_end|>"
START = "<|im_start|>"
PAD = "<|pad|>"
# One token for all that is always the same saves 6 of some 50 tokens a passage. Longest first: tokenizers that
# look for one special token after the other must find these before their parts.
USER_TURN = f"{START}user\n"
ANSWER_TURN = f"{END}\n{START}assistant\n"
CONTROL: Final = (ANSWER_TURN, USER_TURN, START, END, PAD)

_OPENERS = ('{"e":["', '{"a":"', '{"k":"', '{"r":["')
_VALUES = (*ATTRIBUTE_TYPES, *KEYS)


def json_pieces() -> list[str]:
    """The parts of an answer between its names, each as long as it can be."""
    opening = [f"[{o}" for o in _OPENERS]
    following = [f",{o}" for o in _OPENERS]
    closing = ['"]}]', *(f'"]}}{f}' for f in following)]
    values = [f'":"{v}"}}}}' for v in _VALUES] + [f'":"{v}","' for v in _VALUES]
    cardinalities = [f'","{c}","' for c in CARDINALITIES]
    return [*opening, *following, *closing, *values, *cardinalities, '","l":{"', '","', "]", "[]"]


def train(words: Iterable[str], merges: int) -> Tokenizer:
    """A tokenizer whose merges are learned from single words (no spaces in them).

    `merges` bounds the pieces learned; each then has a twin with a space before it.
    """
    counts = Counter[str]()
    for word in words:
        # The plural "s" stays apart, so that "loan" and "loans" share their pieces.
        apart = len(word) > 3 and word.endswith("s") and not word.endswith("ss")
        counts.update((word[:-1], "s") if apart else (word,))
    learned = _learn(counts, merges)
    vocabulary, rules = learned["vocab"], [(rule[0], rule[1]) for rule in learned["merges"]]
    pieces = sorted(vocabulary, key=lambda piece: vocabulary[piece])
    twins = [piece for piece in pieces if piece != SPACE]
    tokens = dict.fromkeys([*CONTROL, *json_pieces(), *pieces, *(SPACE + p for p in twins)])
    return _assembled(
        {token: i for i, token in enumerate(tokens)}, [*rules, *((SPACE, p) for p in twins)], special=True
    )


def _learn(counts: Counter[str], merges: int) -> dict[str, Any]:
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=True)
    trainer = trainers.BpeTrainer(
        vocab_size=256 + merges,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    # The trainer counts repeated sequences; a cap keeps "the" from costing a pass over millions of copies.
    tokenizer.train_from_iterator(
        (word for word, count in sorted(counts.items()) for _ in range(min(count, 200))), trainer=trainer
    )
    model: dict[str, Any] = json.loads(tokenizer.to_str())["model"]
    return model


def _assembled(vocabulary: dict[str, int], rules: list[tuple[str, str]], *, special: bool) -> Tokenizer:
    tokenizer = Tokenizer(models.BPE(vocab=vocabulary, merges=rules, ignore_merges=False))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=True)
    tokenizer.decoder = decoders.ByteLevel()
    if special:
        tokenizer.add_special_tokens([AddedToken(t, special=True, normalized=False) for t in CONTROL])
        tokenizer.add_tokens([AddedToken(t, special=False, normalized=False) for t in json_pieces()])
    return tokenizer


@dataclass(frozen=True)
class Vocabulary:
    """What training needs to know about a tokenizer's tokens."""

    tokenizer: Tokenizer

    @cached_property
    def size(self) -> int:
        return int(self.tokenizer.get_vocab_size(with_added_tokens=True))

    def id(self, token: str) -> int:
        found = self.tokenizer.token_to_id(token)
        if found is None:
            raise KeyError(token)
        return int(found)

    @cached_property
    def twins(self) -> list[tuple[int, int]]:
        """Pairs of (piece with a space before it, the piece), as ids."""
        vocabulary = self.tokenizer.get_vocab(with_added_tokens=True)
        return [
            (index, vocabulary[token[1:]])
            for token, index in sorted(vocabulary.items(), key=lambda item: item[1])
            if len(token) > 1 and token.startswith(SPACE) and token[1:] in vocabulary
        ]

    def encode(self, text: str) -> list[int]:
        return list(self.tokenizer.encode(text, add_special_tokens=False).ids)

    def encode_all(self, texts: list[str]) -> list[list[int]]:
        return [list(e.ids) for e in self.tokenizer.encode_batch(texts, add_special_tokens=False)]
