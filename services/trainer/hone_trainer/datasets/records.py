"""Records of the JSON formats, to rows and back."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from typing import Any, Literal, get_args

from hone_trainer.datasets.chat_text import NotChatText, chat_text_of, turns_of_text
from hone_trainer.datasets.errors import NotRepresentable
from hone_trainer.datasets.rows import ROLES, Reference, Row, Turn

Format = Literal["messages", "alpaca", "sharegpt", "text", "kto"]
FORMATS: tuple[Format, ...] = get_args(Format)

_SHAREGPT_ROLES = {
    "human": "user",
    "user": "user",
    "gpt": "assistant",
    "assistant": "assistant",
    "chatgpt": "assistant",
    "bot": "assistant",
    "model": "assistant",
    "system": "system",
}
_SHAREGPT_NAMES = {"user": "human", "assistant": "gpt", "system": "system"}
_REFERENCE_KEYS = frozenset({"artifact_type", "source", "origin", "group"})


class BadRecord(Exception):
    """What is wrong with the record, and what to do."""

    def __init__(self, message: str, suggestion: str) -> None:
        super().__init__(message)
        self.message, self.suggestion = message, suggestion


def row_of(record: Any, format_name: Format, number: int, raw: str) -> Row:
    """Raises BadRecord."""
    if not isinstance(record, dict):
        raise BadRecord("it is not a JSON object", f"write it as the format {format_name} wants it")
    reader, known = _READERS[format_name]
    missing = [key for key in _REQUIRED[format_name] if key not in record]
    if missing:
        raise BadRecord(f"`{'`, `'.join(missing)}` is missing", "add it, or take the row out")
    turns = reader(record)
    left = {key: value for key, value in record.items() if key not in known}
    label = _label(left, format_name)
    reference = _reference(left)
    return Row(number, turns, label, reference, left, raw)


def record_of(row: Row, format_name: Format) -> dict[str, Any]:
    """Raises NotRepresentable."""
    record = _WRITERS[format_name](row)
    if row.label is not None:
        record["label"] = row.label
    if row.reference is not None:
        record["reference"] = {
            key: value for key, value in asdict(row.reference).items() if value is not None
        }
    return record | dict(row.extra)


def format_of(record: Any) -> Format | None:
    """The format that a record's keys speak of."""
    keys = record.keys() if isinstance(record, dict) else ()
    return next((name for name in FORMATS if all(key in keys for key in _REQUIRED[name])), None)


def _label(left: dict[str, Any], format_name: Format) -> bool | None:
    if format_name == "kto" and left.get("label") is not None and not isinstance(left["label"], bool):
        raise BadRecord(f"`label` is {_shown(left['label'])}", "write true (wanted) or false (not wanted)")
    if isinstance(left.get("label"), bool):
        return bool(left.pop("label"))
    return None


def _reference(left: dict[str, Any]) -> Reference | None:
    told = left.get("reference")
    if not isinstance(told, dict) or not _REFERENCE_KEYS.issuperset(told):
        return None
    if not all(isinstance(value, str) for value in told.values()):
        return None
    del left["reference"]
    return Reference(**told)


def _messages(value: Any, role_key: str, content_key: str, where: str) -> tuple[Turn, ...]:
    if not isinstance(value, list):
        raise BadRecord(
            f"`{where}` is not a list", f"write a list of objects with {role_key} and {content_key}"
        )
    return tuple(_turn(each, role_key, content_key, f"{where}[{place}]") for place, each in enumerate(value))


def _turn(value: Any, role_key: str, content_key: str, where: str) -> Turn:
    if not isinstance(value, dict) or not isinstance(value.get(role_key), str):
        raise BadRecord(
            f"`{where}` has no `{role_key}`", f"write an object with {role_key} and {content_key}"
        )
    content = _content(value.get(content_key), f"{where}.{content_key}")
    if len(value) == 2:
        return Turn(value[role_key], content)
    extra = {key: other for key, other in value.items() if key not in (role_key, content_key)}
    return Turn(value[role_key], content, extra)


def _content(value: Any, where: str) -> str:
    if isinstance(value, str):
        return value
    if isinstance(value, list) and value:
        parts = [_part(part) for part in value]
        if None not in parts:
            return "".join(filter(None, parts))
    raise BadRecord(f"`{where}` is {_shown(value)}, not text", "only text can be trained on: write it out")


def _part(part: Any) -> str | None:
    """Of a content in parts: OpenAI's have ``text``, LLaMA-Factory's ``value``."""
    if not isinstance(part, dict) or part.get("type") != "text":
        return None
    text = part.get("text", part.get("value"))
    return text if isinstance(text, str) else None


def _text(record: Mapping[str, Any], key: str) -> str:
    value = record.get(key)
    if value is None and key in {"input", "system"}:
        return ""
    if not isinstance(value, str):
        raise BadRecord(f"`{key}` is {_shown(value)}, not text", "write it as text")
    return value


def _shown(value: Any) -> str:
    match value:
        case None:
            return "null"
        case bool() | int() | float():
            return str(value).lower()[:40]
        case str():
            return f'"{value[:40]}"'
    return "a list" if isinstance(value, list) else "an object"


def _read_messages(record: Mapping[str, Any]) -> tuple[Turn, ...]:
    return _messages(record["messages"], "role", "content", "messages")


def _write_messages(row: Row) -> dict[str, Any]:
    return {"messages": _as_messages(row.turns)}


def _as_messages(turns: Sequence[Turn]) -> list[dict[str, Any]]:
    return [{"role": turn.role, "content": turn.content, **turn.extra} for turn in turns]


def _read_sharegpt(record: Mapping[str, Any]) -> tuple[Turn, ...]:
    turns = _messages(record["conversations"], "from", "value", "conversations")
    return tuple(Turn(_SHAREGPT_ROLES.get(turn.role, turn.role), turn.content, turn.extra) for turn in turns)


def _write_sharegpt(row: Row) -> dict[str, Any]:
    return {
        "conversations": [
            {"from": _SHAREGPT_NAMES.get(turn.role, turn.role), "value": turn.content, **turn.extra}
            for turn in row.turns
        ]
    }


def _read_alpaca(record: Mapping[str, Any]) -> tuple[Turn, ...]:
    """As LLaMA-Factory has it: ``system`` and ``history`` (pairs of question and answer) are optional."""
    instruction, told = _text(record, "instruction"), _text(record, "input")
    system, history = _text(record, "system"), record.get("history") or []
    if not isinstance(history, list) or not all(
        isinstance(pair, list) and len(pair) == 2 and all(isinstance(text, str) for text in pair)
        for pair in history
    ):
        raise BadRecord("`history` is not a list of [question, answer]", "write pairs of texts")
    turns = [Turn("system", system)] if system else []
    for question, answer in history:
        turns += [Turn("user", question), Turn("assistant", answer)]
    question = f"{instruction}\n\n{told}" if instruction and told else instruction or told
    return (*turns, Turn("user", question), Turn("assistant", _text(record, "output")))


def _write_alpaca(row: Row) -> dict[str, Any]:
    turns = _plain_turns(row, "alpaca")
    record: dict[str, Any] = {}
    if turns and turns[0].role == "system":
        if not turns[0].content:
            raise NotRepresentable(row.number, "an empty system turn", "alpaca")
        record["system"], turns = turns[0].content, turns[1:]
    if [turn.role for turn in turns] != ["user", "assistant"] * (len(turns) // 2) or not turns:
        raise NotRepresentable(row.number, "turns that are not question and answer in turns", "alpaca")
    texts = [turn.content for turn in turns]
    record |= {"instruction": texts[-2], "input": "", "output": texts[-1]}
    if len(texts) > 2:
        record["history"] = [list(pair) for pair in zip(texts[:-2:2], texts[1:-2:2], strict=True)]
    return record


def _read_text(record: Mapping[str, Any]) -> tuple[Turn, ...]:
    try:
        return turns_of_text(_text(record, "text"))
    except NotChatText as error:
        raise BadRecord(str(error), "write `### Human: …` and `### Assistant: …`") from error


def _write_text(row: Row) -> dict[str, Any]:
    return {"text": chat_text_of(row.number, _plain_turns(row, "text"))}


def _read_kto(record: Mapping[str, Any]) -> tuple[Turn, ...]:
    return _side(record, "prompt", "user") + _side(record, "completion", "assistant")


def _side(record: Mapping[str, Any], key: str, role: str) -> tuple[Turn, ...]:
    value = record[key]
    return (Turn(role, value),) if isinstance(value, str) else _messages(value, "role", "content", key)


def _write_kto(row: Row) -> dict[str, Any]:
    if not row.turns or row.turns[-1].role != "assistant":
        raise NotRepresentable(row.number, "no answer at its end", "kto")
    prompt, answer = row.turns[:-1], row.turns[-1]
    plain = len(prompt) == 1 and prompt[0].role == "user" and not prompt[0].extra and not answer.extra
    if plain:
        return {"prompt": prompt[0].content, "completion": answer.content}
    return {"prompt": _as_messages(prompt), "completion": _as_messages([answer])}


def _plain_turns(row: Row, format_name: Format) -> tuple[Turn, ...]:
    for turn in row.turns:
        if turn.role not in ROLES:
            raise NotRepresentable(row.number, f'a turn of "{turn.role[:40]}"', format_name)
        if turn.extra:
            raise NotRepresentable(row.number, f"`{next(iter(turn.extra))[:40]}` in a turn", format_name)
    return row.turns


_REQUIRED: dict[Format, tuple[str, ...]] = {
    "messages": ("messages",),
    "alpaca": ("instruction", "output"),
    "sharegpt": ("conversations",),
    "text": ("text",),
    "kto": ("prompt", "completion"),
}
_Reader = Callable[[Mapping[str, Any]], "tuple[Turn, ...]"]
_READERS: dict[Format, tuple[_Reader, frozenset[str]]] = {
    "messages": (_read_messages, frozenset({"messages"})),
    "alpaca": (_read_alpaca, frozenset({"instruction", "input", "output", "system", "history"})),
    "sharegpt": (_read_sharegpt, frozenset({"conversations"})),
    "text": (_read_text, frozenset({"text"})),
    "kto": (_read_kto, frozenset({"prompt", "completion"})),
}
_WRITERS: dict[Format, Callable[[Row], dict[str, Any]]] = {
    "messages": _write_messages,
    "alpaca": _write_alpaca,
    "sharegpt": _write_sharegpt,
    "text": _write_text,
    "kto": _write_kto,
}
