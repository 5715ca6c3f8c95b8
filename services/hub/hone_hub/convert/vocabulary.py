"""A byte-level BPE tokenizer.json as llama.cpp needs it."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import IntEnum
from typing import Any

from gguf import GGUFWriter

from ..errors import SourceInvalid, TokenizerUnsupported
from .checkpoint import Checkpoint, JsonObject
from .pre_tokenizer import PreTokenizer, recognise
from .special_tokens import SpecialTokens, read_special_tokens

_LOOK_FOR_GGUF = "look for a GGUF of this model"
_OVERLAPS_CHECKED_UP_TO = 2000  # added tokens; comparing them is quadratic


class TokenType(IntEnum):
    """llama.cpp's llama_token_type."""

    NORMAL = 1
    CONTROL = 3
    USER_DEFINED = 4
    UNUSED = 5


@dataclass(frozen=True)
class Vocabulary:
    tokens: list[str]
    types: list[TokenType]
    merges: list[str]
    pre_tokenizer: PreTokenizer
    special: SpecialTokens
    warnings: list[str] = field(default_factory=list)

    def write(self, writer: GGUFWriter) -> None:
        writer.add_tokenizer_model("gpt2")
        writer.add_tokenizer_pre(self.pre_tokenizer.name)
        writer.add_token_list(self.tokens)
        writer.add_token_types([int(kind) for kind in self.types])
        writer.add_token_merges(self.merges)
        self.special.write(writer)


def read_vocabulary(checkpoint: Checkpoint, size: int) -> Vocabulary:
    """The vocabulary padded to the embedding's `size` rows. Raises TokenizerUnsupported or SourceInvalid."""
    tokenizer = checkpoint.tokenizer()
    model = tokenizer.get("model")
    if not isinstance(model, dict) or model.get("type") != "BPE":
        kind = model.get("type") if isinstance(model, dict) else None
        raise TokenizerUnsupported(
            f"the tokenizer is of the kind {kind!r}, not byte-level BPE", _LOOK_FOR_GGUF
        )
    warnings = _check_normalizer(tokenizer.get("normalizer"))
    pre_tokenizer = recognise(tokenizer.get("pre_tokenizer"))
    ids = _token_ids(model)
    warnings += _check_model(model, ids, pre_tokenizer)
    added = _added_tokens(tokenizer)
    warnings += _check_added(added)
    tokens, types = _lay_out(ids, added, size)
    positions = {token: number for number, token in enumerate(tokens)}
    special = read_special_tokens(checkpoint, tokenizer, positions)
    return Vocabulary(tokens, types, _merges(model), pre_tokenizer, special, warnings + special.warnings)


def _check_normalizer(entry: object) -> list[str]:
    if entry is None:
        return []
    if isinstance(entry, dict) and entry.get("type") == "NFC":
        return ["llama.cpp does not normalise text to NFC as this tokenizer does: send NFC text"]
    kind = entry.get("type") if isinstance(entry, dict) else entry
    problem = f"the tokenizer rewrites text before splitting it ({kind}), which llama.cpp does not"
    raise TokenizerUnsupported(
        problem, "apply it in the caller or the chat template and save the tokenizer without it"
    )


def _token_ids(model: JsonObject) -> dict[str, int]:
    vocabulary = model.get("vocab")
    if not isinstance(vocabulary, dict) or not all(type(number) is int for number in vocabulary.values()):
        raise SourceInvalid("the vocabulary in tokenizer.json is malformed", "save the tokenizer again")
    return vocabulary


def _check_model(model: JsonObject, ids: dict[str, int], pre_tokenizer: PreTokenizer) -> list[str]:
    for option in ("dropout", "continuing_subword_prefix", "end_of_word_suffix", "byte_fallback"):
        if model.get(option):
            raise TokenizerUnsupported(
                f"the tokenizer's option {option} has no equal in llama.cpp", _LOOK_FOR_GGUF
            )
    if bool(model.get("ignore_merges")) != pre_tokenizer.ignore_merges:
        flag = model.get("ignore_merges")
        problem = f"ignore_merges is {flag} and llama.cpp's {pre_tokenizer.name} has the opposite"
        raise TokenizerUnsupported(problem, _LOOK_FOR_GGUF)
    missing = [symbol for symbol in byte_symbols() if symbol not in ids]
    if missing and model.get("unk_token") is not None:
        problem = f"{len(missing)} of the 256 bytes have no token and become {model['unk_token']!r}"
        raise TokenizerUnsupported(problem, "train the tokenizer with the whole byte alphabet")
    return [f"{len(missing)} of the 256 bytes have no token: such text is dropped"] if missing else []


def byte_symbols() -> list[str]:
    """The printable stand-ins of the 256 bytes in a byte-level vocabulary. Source: GPT-2's bytes_to_unicode."""
    printable = {*range(ord("!"), ord("~") + 1), *range(0xA1, 0xAD), *range(0xAE, 0x100)}
    others = iter(range(0x100, 0x200))
    return [chr(byte) if byte in printable else chr(next(others)) for byte in range(256)]


def _merges(model: JsonObject) -> list[str]:
    merges: list[str] = []
    for entry in model.get("merges") or []:
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
            raise TokenizerUnsupported(f"the merge {entry!r} holds a space or nothing", _LOOK_FOR_GGUF)
        merges.append(f"{left} {right}")
    return merges


def _added_tokens(tokenizer: JsonObject) -> dict[int, dict[str, Any]]:
    added: dict[int, dict[str, Any]] = {}
    for entry in tokenizer.get("added_tokens") or []:
        match entry:
            case {"id": int(number), "content": str(content)} if content and number >= 0:
                added[number] = entry
            case _:
                raise SourceInvalid(
                    f"the added token {entry!r} in tokenizer.json is malformed", "save it again"
                )
    return added


def _check_added(added: dict[int, dict[str, Any]]) -> list[str]:
    warnings = [
        f"the added token {entry['content']!r} has {option}, which llama.cpp does not follow"
        for entry in added.values()
        for option in ("lstrip", "rstrip", "single_word")
        if entry.get(option)
    ]
    contents = [str(entry["content"]) for entry in added.values()]
    if len(contents) <= _OVERLAPS_CHECKED_UP_TO and (pair := _overlap(contents)):
        left, right = pair
        warnings.append(
            f"added tokens can overlap, as {left!r} and {right!r}: where they do, llama.cpp takes the longer one "
            "and transformers the one that comes first"
        )
    return warnings


def _overlap(contents: list[str]) -> tuple[str, str] | None:
    """Two tokens of which the later, longer one begins within the first."""
    beginnings: dict[str, list[str]] = {}
    for content in contents:
        for length in range(1, len(content)):
            beginnings.setdefault(content[:length], []).append(content)
    for left in contents:
        for start in range(1, len(left)):
            for right in beginnings.get(left[start:], []):
                if len(right) > len(left):
                    return left, right
    return None


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
    if len(set(tokens)) != size:
        raise SourceInvalid("two ids in tokenizer.json have the same text", "save the tokenizer again")
    return tokens, [kind for _, kind in laid_out]
