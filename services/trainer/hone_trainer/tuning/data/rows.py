"""Rows of a training file: one JSON object a line, from whoever wrote it."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Literal

from pydantic import BaseModel, ConfigDict, Field, StrictBool, ValidationError

from hone_trainer.tuning.errors import RowsInvalid

Kind = Literal["sft", "kto"]

MAX_ROW_BYTES = 1 << 22
MAX_ROWS = 5_000_000
MAX_MESSAGES = 256
MAX_GROUP_CHARS = 200


class Message(BaseModel):
    model_config = ConfigDict(frozen=True)

    role: Literal["system", "user", "assistant"]
    content: str


class _Row(BaseModel):
    model_config = ConfigDict(frozen=True)

    weight: float = Field(default=1.0, gt=0, le=100, allow_inf_nan=False)
    group: str = Field(default="", max_length=MAX_GROUP_CHARS)


class _Supervised(_Row):
    messages: tuple[Message, ...] = Field(min_length=2, max_length=MAX_MESSAGES)


class _Judged(_Row):
    prompt: tuple[Message, ...] = Field(min_length=1, max_length=MAX_MESSAGES)
    completion: str
    label: StrictBool


Conversation = list[dict[str, str]]
"""Messages as a chat template gets them: ``role`` and ``content``."""


@dataclass(frozen=True, slots=True)
class Row:
    """``answers`` are the places of the messages to be trained. ``label`` is None in supervised rows. Rows of one
    ``group`` belong together; one that names none is a group of its own."""

    number: int
    messages: Conversation
    answers: tuple[int, ...]
    weight: float = 1.0
    label: bool | None = None
    group: str = ""


def lines_of(path: Path) -> Iterator[tuple[int, bytes]]:
    """The lines with their numbers, from 1; blank ones are left out. Raises RowsInvalid."""
    try:
        with path.open("rb") as stream:
            yield from _numbered(path, stream)
    except OSError as error:
        raise RowsInvalid(path, None, f"cannot be read: {error}") from error


def _numbered(path: Path, stream: BinaryIO) -> Iterator[tuple[int, bytes]]:
    number = 0
    while line := stream.readline(MAX_ROW_BYTES + 1):
        number += 1
        if len(line) > MAX_ROW_BYTES:
            raise RowsInvalid(path, number, f"is longer than {MAX_ROW_BYTES >> 20} MiB")
        if number > MAX_ROWS:
            raise RowsInvalid(path, number, f"is beyond the {MAX_ROWS:,} rows of a run")
        if line.strip():
            yield number, line


def row_of(number: int, line: bytes, kind: Kind) -> Row | str:
    """The row, or what is wrong with it: a text travels between processes better than an error."""
    try:
        if kind == "kto":
            judged = _Judged.model_validate_json(line)
            messages = [*judged.prompt, Message(role="assistant", content=judged.completion)]
            answers: tuple[int, ...] = (len(judged.prompt),)
            told: _Row = judged
        else:
            supervised = _Supervised.model_validate_json(line)
            messages = list(supervised.messages)
            answers = tuple(at for at, each in enumerate(messages) if each.role == "assistant")
            told = supervised
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        place = ".".join(map(str, first["loc"]))
        return f"{place}: {first['msg']}" if place else str(first["msg"])
    if wrong := _wrong(messages, answers):
        return wrong
    plain = [{"role": each.role, "content": each.content} for each in messages]
    label = told.label if isinstance(told, _Judged) else None
    return Row(number, plain, answers, told.weight, label, told.group or f"row {number}")


def _wrong(messages: list[Message], answers: tuple[int, ...]) -> str:
    """What is wrong with the order of the messages; nothing if empty."""
    if not answers:
        return "has no message of the assistant, so nothing to learn"
    for at, message in enumerate(messages):
        if message.role == "system" and at:
            return f"message {at + 1}: a system message comes first"
        if message.role == "assistant":
            if not at or messages[at - 1].role != "user":
                return f"message {at + 1}: the assistant answers, so a user's message comes before it"
            if not message.content.strip():
                return f"message {at + 1}: the answer is empty"
    return ""
