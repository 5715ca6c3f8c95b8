"""Conversations as one text: ``### Human: …`` and ``### Assistant: …``, on lines of their own or within one.

White space around a turn is not part of it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from io import BufferedIOBase

from hone_trainer.datasets.errors import NotRepresentable
from hone_trainer.datasets.lines import LARGEST_ROW_BYTES, Line, lines
from hone_trainer.datasets.rows import Turn

MARKER = re.compile(r"### ?(System|Human|User|Assistant):")
_ROLES = {"System": "system", "Human": "user", "User": "user", "Assistant": "assistant"}
_NAMES = {"system": "System", "user": "Human", "assistant": "Assistant"}


class NotChatText(ValueError):
    pass


def turns_of_text(text: str) -> tuple[Turn, ...]:
    """Raises NotChatText."""
    parts = MARKER.split(text)
    if len(parts) == 1:
        raise NotChatText("there is no `### Human:` in it")
    if parts[0].strip():
        raise NotChatText("there is text before the first `### Human:`")
    return tuple(
        Turn(_ROLES[name], content.strip()) for name, content in zip(parts[1::2], parts[2::2], strict=True)
    )


def chat_text_of(number: int, turns: Sequence[Turn]) -> str:
    """Raises NotRepresentable: a marker within a turn would be read as another turn."""
    if not turns:
        raise NotRepresentable(number, "no turns", "text")
    for turn in turns:
        if MARKER.search(turn.content):
            raise NotRepresentable(number, "a `### …:` within a turn", "text")
    return "\n".join(f"### {_NAMES[turn.role]}: {turn.content.strip()}" for turn in turns)


def plain_conversations(stream: BufferedIOBase) -> Iterator[Line]:
    """A file of conversations one after the other: each begins with its system turn, or with the question that
    follows an answer. Numbered from 1 in their order."""
    number, collected, size, answered = 0, [""][:0], 0, False
    for line in lines(stream):
        text = line.text
        marker = MARKER.match(text)
        if marker and answered and _ROLES[marker[1]] != "assistant":
            number += 1
            yield _conversation(number, collected, size)
            collected, size, answered = [], 0, False
        answered = answered or any(found[1] == "Assistant" for found in MARKER.finditer(text))
        size += len(text) + 1 if line.whole else LARGEST_ROW_BYTES + 1
        if size <= LARGEST_ROW_BYTES:
            collected.append(text)
    if collected or size:
        yield _conversation(number + 1, collected, size)


def _conversation(number: int, collected: list[str], size: int) -> Line:
    text = "\n".join(collected)
    whole = size <= LARGEST_ROW_BYTES + 1
    return Line(number, text if whole else text[:200], whole)
