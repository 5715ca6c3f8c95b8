"""What a byte-level BPE tokenizer.json must be like, for llama.cpp to repeat it."""

from __future__ import annotations

from ..errors import TokenizerUnsupported
from .checkpoint import JsonObject
from .pre_tokenizer import PreTokenizer

_LOOK_FOR_GGUF = "look for a GGUF of this model"


def check_normalizer(entry: object) -> list[str]:
    if entry is None:
        return []
    if isinstance(entry, dict) and entry.get("type") == "NFC":
        return ["llama.cpp does not normalise text to NFC as this tokenizer does: send NFC text"]
    kind = entry.get("type") if isinstance(entry, dict) else entry
    problem = f"the tokenizer rewrites text before splitting it ({kind}), which llama.cpp does not"
    raise TokenizerUnsupported(
        problem, "apply it in the caller or the chat template and save the tokenizer without it"
    )


def check_model(model: JsonObject, ids: dict[str, int], pre_tokenizer: PreTokenizer) -> list[str]:
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
