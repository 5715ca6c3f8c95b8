"""What ``/api/show`` tells of a model, as far as its versions need to know: a stranger's words, read with care."""

import json
import re
from dataclasses import dataclass
from typing import Any

from hone_hub.deploy.ollama.host import Document

Message = dict[str, str]

# A token may be a single byte where the vocabulary is small; no common tokenizer needs more than one for two bytes.
_SMALL_VOCABULARY = 16_000
_LEAST_CONTEXT_TOKENS = 2048
_TOKENS_PER_MESSAGE = 16


@dataclass(frozen=True)
class Shown:
    template: str
    system: str
    messages: tuple[Message, ...]
    parameters: dict[str, Any]
    parent: str
    version: str
    context_tokens: int | None
    bytes_per_token: int

    @classmethod
    def read(cls, document: Document) -> "Shown":
        info, details = _mapping(document, "model_info"), _mapping(document, "details")
        architecture = _text(info, "general.architecture")
        vocabulary = info.get(f"{architecture}.vocab_size")
        small = isinstance(vocabulary, int) and 0 < vocabulary < _SMALL_VOCABULARY
        context = info.get(f"{architecture}.context_length")
        messages = document.get("messages")
        return cls(
            template=_text(document, "template"),
            system=_text(document, "system"),
            messages=tuple(
                {"role": _text(each, "role"), "content": _text(each, "content")}
                for each in (messages if isinstance(messages, list) else ())
                if isinstance(each, dict)
            ),
            parameters=parameters(_text(document, "parameters")),
            parent=_text(details, "parent_model"),
            version=_text(info, "general.version"),
            context_tokens=context if isinstance(context, int) and context > 0 else None,
            bytes_per_token=1 if small else 2,
        )

    def tokens(self, *messages: Message) -> int:
        """Estimated, rather too many than too few."""
        size_bytes = sum(len(message["content"].encode(errors="replace")) for message in messages)
        return size_bytes // self.bytes_per_token + _TOKENS_PER_MESSAGE * (len(messages) + 1)

    def room(self, tokens: int) -> int:
        """A context for so many tokens; the model's own where that is less."""
        wanted = max(_LEAST_CONTEXT_TOKENS, -(-tokens // 1024) * 1024)
        return min(wanted, self.context_tokens or wanted)


def parameters(text: str) -> dict[str, Any]:
    """Of lines like ``stop    "<|im_end|>"``: values are Go's literals and mostly JSON's; stops may be several."""
    found: dict[str, Any] = {}
    for line in text.splitlines():
        match = re.fullmatch(r"(\w+)\s+(.+?)\s*", line)
        if match is None:
            continue
        key, written = match.groups()
        try:
            value = json.loads(written)
        except ValueError:
            value = written
        if key == "stop":
            found.setdefault("stop", []).append(str(value))
        else:
            found[key] = value
    return found


def _mapping(document: Document, key: str) -> Document:
    value = document.get(key)
    return value if isinstance(value, dict) else {}


def _text(document: Document, key: str) -> str:
    value = document.get(key)
    return value if isinstance(value, str) else ""
