"""Reads a SentencePiece `tokenizer.model`, which a stranger may have made: the few fields that matter, within bounds.

Source: github.com/google/sentencepiece, src/sentencepiece_model.proto; protobuf's wire format.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import IntEnum

from ..errors import SourceInvalid

_ADVICE = "download the model folder again"
_MOST_PIECES = 1 << 19  # twice the largest in use
_MOST_FIELDS = _MOST_PIECES + 100
_MOST_PIECE_BYTES = 1024
_VARINT_BYTES = 10
_BPE = 2


class PieceType(IntEnum):
    NORMAL = 1
    UNKNOWN = 2
    CONTROL = 3
    USER_DEFINED = 4
    UNUSED = 5
    BYTE = 6


@dataclass(frozen=True)
class Piece:
    text: str
    score: float
    type: PieceType


@dataclass
class StoredModel:
    """``rewrites``: text is normalised by a table of characters."""

    pieces: list[Piece] = field(default_factory=list)
    is_bpe: bool = False
    space_prefix: bool = True
    removes_spaces: bool = True
    rewrites: bool = False


def read_model(content: bytes) -> StoredModel:
    """Raises SourceInvalid."""
    model = StoredModel()
    for count, (number, value) in enumerate(_fields(content)):
        if count == _MOST_FIELDS:
            raise _malformed("it has far too many fields")
        match number, value:
            case 1, bytes():
                if len(model.pieces) == _MOST_PIECES:
                    raise _malformed(f"it has more than {_MOST_PIECES} pieces")
                model.pieces.append(_piece(value))
            case 2, bytes():
                model.is_bpe = dict(_fields(value)).get(3) == _BPE
            case 3, bytes():
                _normalizer(model, dict(_fields(value)))
            case _:
                continue
    if not model.pieces:
        raise _malformed("it has no pieces")
    return model


def _piece(content: bytes) -> Piece:
    fields = dict(_fields(content))
    text, score, kind = fields.get(1), fields.get(2, 0.0), fields.get(3, PieceType.NORMAL)
    if not isinstance(text, bytes) or not 1 <= len(text) <= _MOST_PIECE_BYTES:
        raise _malformed("a piece has no text, or far too much")
    if not isinstance(score, float) or not math.isfinite(score) or not isinstance(kind, int):
        raise _malformed("a piece has no score or no type")
    try:
        return Piece(text.decode(), score, PieceType(kind))
    except ValueError as error:
        raise _malformed("a piece is not UTF-8, or of no known type") from error


def _normalizer(model: StoredModel, fields: dict[int, int | float | bytes]) -> None:
    model.rewrites = bool(fields.get(2, b""))
    model.space_prefix = bool(fields.get(3, 1))
    model.removes_spaces = bool(fields.get(4, 1))


def _fields(content: bytes) -> Iterator[tuple[int, int | float | bytes]]:
    """Number and value; fixed values of four bytes are floats, as all of this format are."""
    at = 0
    while at < len(content):
        tag, at = _varint(content, at)
        match tag & 7:
            case 0:
                value: int | float | bytes
                value, at = _varint(content, at)
            case 1:
                value, at = content[at : at + 8], at + 8
            case 2:
                length, at = _varint(content, at)
                value, at = content[at : at + length], at + length
            case 5:
                if at + 4 > len(content):
                    raise _malformed("it ends within a number")
                value, at = float(struct.unpack_from("<f", content, at)[0]), at + 4
            case other:
                raise _malformed(f"it has a field of the wire type {other}")
        if at > len(content):
            raise _malformed("it ends within a field")
        yield tag >> 3, value


def _varint(content: bytes, at: int) -> tuple[int, int]:
    value = 0
    for shift, byte in enumerate(content[at : at + _VARINT_BYTES]):
        value |= (byte & 0x7F) << (7 * shift)
        if byte < 0x80:
            return value, at + shift + 1
    raise _malformed("it ends within a number")


def _malformed(why: str) -> SourceInvalid:
    return SourceInvalid(f"tokenizer.model is malformed: {why}", _ADVICE)
