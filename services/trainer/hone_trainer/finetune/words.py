"""A tokenizer put together again from what a model file says of it, so that it splits every text as before."""

from collections.abc import Sequence
from pathlib import Path

from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers

from hone_trainer.finetune.errors import BaseUnreadable, BaseUnsupported
from hone_trainer.starter.tokenizer import CONTROL, Vocabulary

# As tokenizer.ggml.token_type has them.
NORMAL, CONTROL_KIND, USER_DEFINED = 1, 3, 4
MAX_TOKENS = 1 << 16


def vocabulary_of(
    path: Path, tokens: Sequence[str], kinds: Sequence[int], merges: Sequence[tuple[str, str]]
) -> Vocabulary:
    """The byte-level BPE of these tokens, in the order of their ids. Tokens that are added to it, control tokens and
    user-defined ones, are looked for before any other, the first id first. Raises BaseUnreadable, BaseUnsupported."""
    known = {token: number for number, token in enumerate(tokens)}
    if not len(tokens) == len(known) == len(kinds) <= MAX_TOKENS:
        raise BaseUnreadable(path, "holds a vocabulary whose tokens are not one for each id")
    if not set(kinds) <= {NORMAL, CONTROL_KIND, USER_DEFINED}:
        raise BaseUnsupported(path, "holds tokens of kinds that the starter has none of")
    if not known.keys() >= {*CONTROL, *pre_tokenizers.ByteLevel.alphabet()}:
        raise BaseUnsupported(path, "lacks tokens that every starter has")
    if any(kinds[known[token]] != CONTROL_KIND for token in CONTROL):
        raise BaseUnsupported(path, "takes the marks of a turn for text")
    if any(not {left, right, left + right} <= known.keys() for left, right in merges):
        raise BaseUnreadable(path, "merges tokens that it does not hold")
    tokenizer = Tokenizer(models.BPE(vocab=known, merges=list(merges), ignore_merges=False))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=True)
    tokenizer.decoder = decoders.ByteLevel()
    for kind in (CONTROL_KIND, USER_DEFINED):
        special = kind == CONTROL_KIND
        added = [token for token, its in zip(tokens, kinds, strict=True) if its == kind]
        (tokenizer.add_special_tokens if special else tokenizer.add_tokens)(
            [AddedToken(token, special=special, normalized=False) for token in added]
        )
    return Vocabulary(tokenizer)
