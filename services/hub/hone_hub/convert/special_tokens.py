"""Which tokens begin and end a text, and whether the tokenizer adds them by itself."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from gguf import GGUFWriter

from ..errors import SourceInvalid, TokenizerUnsupported
from .added_tokens import listed
from .checkpoint import Checkpoint, JsonObject

# Ends of a turn that chat models name beside their end of text.
_TURN_ENDS = ("<|im_end|>", "<|eot_id|>", "<|end|>", "<|end_of_turn|>", "<end_of_turn>", "<|eot|>")


@dataclass(frozen=True)
class SpecialTokens:
    """Token ids; `eot` ends a turn where that is another token than `eos`."""

    bos: int | None = None
    eos: int | None = None
    eot: int | None = None
    pad: int | None = None
    unk: int | None = None
    add_bos: bool = False
    add_eos: bool = False
    warnings: list[str] = field(default_factory=list)

    def write(self, writer: GGUFWriter) -> None:
        for number, add in (
            (self.bos, writer.add_bos_token_id),
            (self.eos, writer.add_eos_token_id),
            (self.eot, writer.add_eot_token_id),
            (self.pad, writer.add_pad_token_id),
            (self.unk, writer.add_unk_token_id),
        ):
            if number is not None:
                add(number)
        # Always written: left out, llama.cpp's own defaults differ from one pre-tokenizer to the next.
        writer.add_add_bos_token(self.add_bos)
        writer.add_add_eos_token(self.add_eos)


def read_special_tokens(
    checkpoint: Checkpoint, tokenizer: JsonObject, positions: dict[str, int]
) -> SpecialTokens:
    """The tokenizer's own names first, then the ids of the model's configuration."""
    settings = checkpoint.optional_json("tokenizer_config.json")
    generation = checkpoint.optional_json("generation_config.json")
    found: dict[str, int | None] = {}
    for role in ("bos", "eos", "pad", "unk"):
        by_name = _by_name(settings.get(f"{role}_token"), positions)
        ids = [*_ids(generation, role, len(positions)), *_ids(checkpoint.config, role, len(positions))]
        found[role] = by_name if by_name is not None else next(iter(ids), None)
    ends = [*_ids(generation, "eos", len(positions)), *_ids(checkpoint.config, "eos", len(positions))]
    eot = _turn_end([number for number in ends if number != found["eos"]], positions)
    if tokenizer:
        add_bos, add_eos = _added_around(
            tokenizer.get("post_processor"), found["bos"], found["eos"], positions
        )
    else:  # a tokenizer.model alone: its models begin with one, unless they say otherwise
        add_bos, add_eos = settings.get("add_bos_token") is not False, settings.get("add_eos_token") is True
    warnings = _contradictions(settings, add_bos, add_eos)
    return SpecialTokens(**found, eot=eot, add_bos=add_bos, add_eos=add_eos, warnings=warnings)


def _by_name(entry: object, positions: dict[str, int]) -> int | None:
    content = entry.get("content") if isinstance(entry, dict) else entry
    if content is None:
        return None
    if not isinstance(content, str) or content not in positions:
        raise SourceInvalid(
            f"the special token {content!r} is not in the vocabulary", "save the tokenizer again"
        )
    return positions[content]


def _ids(config: JsonObject, role: str, size: int) -> list[int]:
    entry = config.get(f"{role}_token_id")
    entries = entry if isinstance(entry, list) else [entry]
    return [number for number in entries if type(number) is int and 0 <= number < size]


def _turn_end(candidates: list[int], positions: dict[str, int]) -> int | None:
    named = {positions[text] for text in _TURN_ENDS if text in positions}
    return next((number for number in candidates if number in named), next(iter(candidates), None))


def _added_around(
    entry: object, bos: int | None, eos: int | None, positions: dict[str, int]
) -> tuple[bool, bool]:
    """Whether the post-processor puts bos before and eos after a text. Anything else it adds is refused."""
    steps = [entry] if isinstance(entry, dict) else []
    if isinstance(entry, dict) and entry.get("type") == "Sequence":
        steps = [step for step in listed(entry, "processors") if isinstance(step, dict)]
    add_bos = add_eos = False
    for step in steps:
        match step:
            case {"type": "ByteLevel"}:
                continue
            case {"type": "TemplateProcessing", "single": [*pieces]}:
                around = [_piece(piece, positions) for piece in pieces]
            case _:
                raise TokenizerUnsupported(
                    f"the post-processor {step.get('type')!r} is not known", "look for a GGUF"
                )
        if None not in around:
            raise TokenizerUnsupported(
                "the post-processor's template lacks the text itself", "save the tokenizer again"
            )
        before, after = around[: around.index(None)], around[around.index(None) + 1 :]
        if before not in ([], [bos]) or after not in ([], [eos]):
            problem = "the tokenizer adds special tokens other than one begin and one end"
            raise TokenizerUnsupported(problem, "look for a GGUF of this model")
        add_bos, add_eos = add_bos or bool(before), add_eos or bool(after)
    return add_bos, add_eos


def _piece(piece: object, positions: dict[str, int]) -> int | None:
    """A special token's id, or None for the text."""
    match piece:
        case {"Sequence": dict()}:
            return None
        case {"SpecialToken": {"id": str(name)}} if name in positions:
            return positions[name]
        case _:
            raise SourceInvalid(
                f"the post-processor's piece {piece!r} is malformed", "save the tokenizer again"
            )


def _contradictions(settings: dict[str, Any], add_bos: bool, add_eos: bool) -> list[str]:
    return [
        f"tokenizer_config.json says {key} {settings[key]}, its post-processor says {found}: followed the latter"
        for key, found in (("add_bos_token", add_bos), ("add_eos_token", add_eos))
        if isinstance(settings.get(key), bool) and settings[key] is not found
    ]
