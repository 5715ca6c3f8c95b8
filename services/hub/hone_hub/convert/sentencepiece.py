"""SentencePiece vocabularies, as Llama 2, Mistral, Gemma and Phi-3 have them, for llama.cpp's tokenizer of that kind.

It joins any two neighbours whose text is a token, the best score first. The `tokenizer.json` of such a model lists
what may be joined, the best first: so a token's score is the place of the first pair that makes it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from ..errors import SourceInvalid, TokenizerUnsupported
from .added_tokens import added_tokens
from .checkpoint import Checkpoint, JsonObject
from .sentencepiece_model import Piece, PieceType, read_model

_LOOK_FOR_GGUF = "look for a GGUF of this model"
_SPACE = "▁"
_REPLACE = {"type": "Replace", "pattern": {"String": " "}, "content": _SPACE}
_PREPEND = {"type": "Prepend", "prepend": _SPACE}
# Of tokens that no pair makes: bytes, single letters, special tokens.
NEVER = -1e9
BYTES = tuple(f"<0x{byte:02X}>" for byte in range(256))
_BYTES_SET = frozenset(BYTES)


@dataclass(frozen=True)
class Pieces:
    """What a vocabulary is made of. ``space_prefix``: a space is put before each text that no special token precedes,
    and after special tokens."""

    ids: dict[str, int]
    scores: dict[str, float]
    unknown: str | None
    space_prefix: bool
    added: dict[int, dict[str, Any]]
    warnings: tuple[str, ...] = ()


def is_sentencepiece(tokenizer: JsonObject) -> bool:
    model = tokenizer.get("model")
    return isinstance(model, dict) and model.get("type") == "BPE" and model.get("byte_fallback") is True


def from_json(tokenizer: JsonObject, merges: list[str], ids: dict[str, int]) -> Pieces:
    """Of a `tokenizer.json` with byte fallback. Raises TokenizerUnsupported."""
    model = tokenizer["model"]
    for option in ("dropout", "continuing_subword_prefix", "end_of_word_suffix", "ignore_merges"):
        if model.get(option):
            raise TokenizerUnsupported(
                f"the tokenizer's option {option} has no equal in llama.cpp", _LOOK_FOR_GGUF
            )
    _check_bytes(ids)
    prefix, warnings = _spaces(tokenizer.get("normalizer"), tokenizer.get("pre_tokenizer"))
    scores: dict[str, float] = {}
    for rank, merge in enumerate(merges):
        scores.setdefault(merge.replace(" ", ""), -float(rank))
    warnings += _never_made(
        ids, scores, {str(entry["content"]) for entry in added_tokens(tokenizer).values()}
    )
    return Pieces(ids, scores, model.get("unk_token"), prefix, {}, warnings)


def _never_made(ids: dict[str, int], scores: dict[str, float], added: set[str]) -> tuple[str, ...]:
    """Tokens that transformers never comes to, and llama.cpp might: it joins whatever makes a token."""
    never = [
        token
        for token in ids
        if len(token) > 1
        and token not in scores
        and token not in added
        and token not in _BYTES_SET
        and any(token[:cut] in ids and token[cut:] in ids for cut in range(1, len(token)))
    ]
    if not never:
        return ()
    return (
        f"{len(never)} tokens are made by no merge, and llama.cpp may make them; the first is {never[0]!r}",
    )


def from_model(checkpoint: Checkpoint) -> Pieces:
    """Of a `tokenizer.model` alone. Raises TokenizerUnsupported, SourceInvalid."""
    stored = read_model(checkpoint.binary_file("tokenizer.model"))
    if not stored.is_bpe:
        raise TokenizerUnsupported("tokenizer.model is no BPE, as llama.cpp's tokenizer is", _LOOK_FOR_GGUF)
    if stored.rewrites or stored.removes_spaces:
        raise TokenizerUnsupported("tokenizer.model rewrites text, which llama.cpp does not", _LOOK_FOR_GGUF)
    ids = {piece.text: number for number, piece in enumerate(stored.pieces)}
    if len(ids) != len(stored.pieces):
        raise SourceInvalid(
            "two pieces of tokenizer.model have the same text", "download the model folder again"
        )
    _check_bytes(ids)
    unknown = next((piece.text for piece in stored.pieces if piece.type is PieceType.UNKNOWN), None)
    scores = {piece.text: piece.score for piece in stored.pieces if piece.type is PieceType.NORMAL}
    return Pieces(ids, scores, unknown, stored.space_prefix, _special(stored.pieces))


def _special(pieces: list[Piece]) -> dict[int, dict[str, Any]]:
    """As the added tokens of a `tokenizer.json`."""
    return {
        number: {"content": piece.text, "special": piece.type is PieceType.CONTROL}
        for number, piece in enumerate(pieces)
        if piece.type in (PieceType.CONTROL, PieceType.USER_DEFINED)
    }


def _check_bytes(ids: dict[str, int]) -> None:
    missing = [name for name in BYTES if name not in ids]
    if missing:
        raise TokenizerUnsupported(
            f"{len(missing)} of the 256 bytes have no token, the first is {missing[0]}", _LOOK_FOR_GGUF
        )


def _spaces(normalizer: object, pre_tokenizer: object) -> tuple[bool, tuple[str, ...]]:
    """Whether a space is put before texts; raises TokenizerUnsupported for spaces that llama.cpp treats otherwise."""
    match (_steps(normalizer, "normalizers"), pre_tokenizer):
        case ([prepend, replace], None) if prepend == _PREPEND and replace == _REPLACE:
            return True, ()
        case ([replace], None) if replace == _REPLACE:
            return False, ()
        case ([replace], {"type": "Split", "pattern": {"String": " "}}) if replace == _REPLACE:
            return False, ()  # there is none left to split at
        case ([], {"type": "Metaspace", "replacement": "▁", "prepend_scheme": scheme, "split": False}):
            if scheme == "first":
                return False, (
                    "a text that begins with no special token is read without the space that this tokenizer puts "
                    "before it; chats begin with one",
                )
            return scheme == "always", ()
        case (steps, other):
            kinds = [str(step.get("type")) for step in steps]
            kinds += [str(other.get("type"))] if isinstance(other, dict) else []
            found = ", ".join(kinds) or "none"
            problem = f"the tokenizer treats spaces in a way llama.cpp is not known to repeat ({found})"
            raise TokenizerUnsupported(problem, _LOOK_FOR_GGUF)


def _steps(entry: object, inner: str) -> list[JsonObject]:
    if not isinstance(entry, dict):
        return []
    steps = entry.get(inner) if entry.get("type") == "Sequence" else [entry]
    return [step for step in steps if isinstance(step, dict)] if isinstance(steps, list) else []
