"""A tokenizer as llama.cpp needs it: byte-level BPE, or SentencePiece's."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import IntEnum
from typing import Any

from gguf import GGUFWriter

from ..errors import SourceInvalid, TokenizerUnsupported
from . import sentencepiece
from .added_tokens import added_tokens, check_added, listed
from .byte_level import check_model, check_normalizer
from .checkpoint import Checkpoint, JsonObject
from .pre_tokenizer import recognise
from .sentencepiece import Pieces
from .special_tokens import SpecialTokens, read_special_tokens


class TokenType(IntEnum):
    """llama.cpp's llama_token_type."""

    NORMAL = 1
    UNKNOWN = 2
    CONTROL = 3
    USER_DEFINED = 4
    UNUSED = 5
    BYTE = 6


@dataclass(frozen=True)
class ByteLevel:
    """``pre`` names how text is split before it is joined by ``merges``."""

    pre: str
    merges: list[str]

    def write(self, writer: GGUFWriter) -> None:
        writer.add_tokenizer_model("gpt2")
        writer.add_tokenizer_pre(self.pre)
        writer.add_token_merges(self.merges)


@dataclass(frozen=True)
class SentencePiece:
    """``scores`` say what is joined first, by token."""

    scores: list[float]
    space_prefix: bool

    def write(self, writer: GGUFWriter) -> None:
        writer.add_tokenizer_model("llama")
        writer.add_tokenizer_pre("default")
        writer.add_token_scores(self.scores)
        writer.add_add_space_prefix(self.space_prefix)


@dataclass(frozen=True)
class Vocabulary:
    tokens: list[str]
    types: list[TokenType]
    joining: ByteLevel | SentencePiece
    special: SpecialTokens
    warnings: list[str] = field(default_factory=list)
    strips_after: bool = False
    """Whether special tokens swallow the white space after them."""

    def write(self, writer: GGUFWriter) -> None:
        self.joining.write(writer)
        writer.add_token_list(self.tokens)
        writer.add_token_types([int(kind) for kind in self.types])
        self.special.write(writer)


def read_vocabulary(checkpoint: Checkpoint, size: int) -> Vocabulary:
    """The vocabulary padded to the embedding's `size` rows. Raises TokenizerUnsupported or SourceInvalid."""
    if not checkpoint.has("tokenizer.json") and checkpoint.has("tokenizer.model"):
        return _pieces(checkpoint, {}, sentencepiece.from_model(checkpoint), size)
    tokenizer = checkpoint.tokenizer()
    model = tokenizer.get("model")
    if not isinstance(model, dict) or model.get("type") != "BPE":
        kind = model.get("type") if isinstance(model, dict) else None
        raise TokenizerUnsupported(
            f"the tokenizer is of the kind {kind!r}, not BPE", "look for a GGUF of this model"
        )
    ids, merges = _token_ids(model), _merges(model)
    if sentencepiece.is_sentencepiece(tokenizer):
        return _pieces(checkpoint, tokenizer, sentencepiece.from_json(tokenizer, merges, ids), size)
    warnings = check_normalizer(tokenizer.get("normalizer"))
    pre_tokenizer = recognise(tokenizer.get("pre_tokenizer"), bool(model.get("ignore_merges")))
    warnings += check_model(model, ids, pre_tokenizer)
    added = added_tokens(tokenizer)
    warnings += check_added(added)
    tokens, types = _lay_out(ids, added, size)
    special = read_special_tokens(checkpoint, tokenizer, _positions(tokens))
    joining = ByteLevel(pre_tokenizer.name, merges)
    return Vocabulary(tokens, types, joining, special, warnings + special.warnings, _strips(added))


def _pieces(checkpoint: Checkpoint, tokenizer: JsonObject, pieces: Pieces, size: int) -> Vocabulary:
    added = pieces.added | added_tokens(tokenizer) | _added_beside(checkpoint, tokenizer)
    warnings = [*pieces.warnings, *check_added(added)]
    joined = {
        number
        for number, entry in added.items()
        if "\u2581" in entry["content"] and not entry.get("normalized") and entry["content"] in pieces.scores
    }
    found = {number: entry for number, entry in added.items() if number not in joined}
    tokens, types = _lay_out(pieces.ids, found, size)
    special = read_special_tokens(checkpoint, tokenizer, _positions(tokens))
    for number, token in enumerate(tokens):
        if types[number] is TokenType.NORMAL and token in sentencepiece.BYTES:
            types[number] = TokenType.BYTE
        elif token == pieces.unknown:
            types[number] = TokenType.UNKNOWN
    scores = [pieces.scores.get(token, sentencepiece.NEVER) for token in tokens]
    # Text is compared with these before spaces are written as SentencePiece does.
    shown = [
        token.replace("\u2581", " ") if kind is TokenType.USER_DEFINED else token
        for token, kind in zip(tokens, types, strict=True)
    ]
    joining = SentencePiece(scores, pieces.space_prefix)
    return Vocabulary(shown, types, joining, special, warnings + special.warnings, _strips(added))


def _added_beside(checkpoint: Checkpoint, tokenizer: JsonObject) -> dict[int, dict[str, Any]]:
    """Where there is no tokenizer.json to name them, tokenizer_config.json does."""
    if tokenizer:
        return {}
    listed = checkpoint.optional_json("tokenizer_config.json").get("added_tokens_decoder")
    entries = listed.items() if isinstance(listed, dict) else ()
    named = [
        {"id": int(number), **entry}
        for number, entry in entries
        if isinstance(entry, dict) and number.isascii() and number.isdecimal() and len(number) < 10
    ]
    return added_tokens({"added_tokens": named})


def _strips(added: dict[int, dict[str, Any]]) -> bool:
    return any(entry.get("special") and entry.get("rstrip") for entry in added.values())


def _positions(tokens: list[str]) -> dict[str, int]:
    return {token: number for number, token in enumerate(tokens)}


def _token_ids(model: JsonObject) -> dict[str, int]:
    vocabulary = model.get("vocab")
    if not isinstance(vocabulary, dict) or not all(type(number) is int for number in vocabulary.values()):
        raise SourceInvalid("the vocabulary in tokenizer.json is malformed", "save the tokenizer again")
    return vocabulary


def _merges(model: JsonObject) -> list[str]:
    merges: list[str] = []
    for entry in listed(model, "merges"):
        match entry:
            case [str(left), str(right)]:
                pass
            case str() if entry.count(" ") == 1:
                left, right = entry.split(" ")
            case _:
                raise SourceInvalid(
                    f"the merge {entry!r} in tokenizer.json is malformed", "save the tokenizer again"
                )
        if not left or not right or " " in left or " " in right:
            raise TokenizerUnsupported(
                f"the merge {entry!r} holds a space or nothing", "look for a GGUF of this model"
            )
        merges.append(f"{left} {right}")
    return merges


def _lay_out(
    ids: dict[str, int], added: dict[int, dict[str, Any]], size: int
) -> tuple[list[str], list[TokenType]]:
    by_id: dict[int, tuple[str, TokenType]] = {}
    for token, number in ids.items():
        if number in by_id or number < 0:
            raise SourceInvalid(
                f"the id {number} of {token!r} in tokenizer.json is not its own", "save it again"
            )
        by_id[number] = (token, TokenType.NORMAL)
    for number, entry in added.items():
        content = str(entry["content"])
        if number in by_id and by_id[number][0] != content:
            problem = f"the added token {content!r} has the id of {by_id[number][0]!r}"
            raise SourceInvalid(problem, "save the tokenizer again")
        by_id[number] = (content, TokenType.CONTROL if entry.get("special") else TokenType.USER_DEFINED)
    if by_id and max(by_id) >= size:
        problem = f"the tokenizer has ids up to {max(by_id)} and the embedding {size} rows"
        raise SourceInvalid(problem, "use the tokenizer this model was trained with, or resize its embedding")
    laid_out = [by_id.get(number, (f"[PAD{number}]", TokenType.UNUSED)) for number in range(size)]
    tokens = [token for token, _ in laid_out]
    if cut := next((token for token in tokens if "\0" in token), None):
        problem = f"the token {cut!r} holds a zero byte, where llama.cpp ends it"
        raise TokenizerUnsupported(problem, "look for a GGUF of this model")
    if len(set(tokens)) != size:
        raise SourceInvalid("two ids in tokenizer.json have the same text", "save the tokenizer again")
    return tokens, [kind for _, kind in laid_out]
