"""What a model makes of an answer has to be text that can be written down, and small enough to travel.

Models write halves of characters (a lone surrogate) and NULs, in the text itself or as escapes in JSON; UTF-8 has no
place for the former, PostgreSQL none for the latter. An artifact travels in one message of the broker, which takes a
megabyte, with all its attempts.
"""

import json
import re
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from pydantic_core import PydanticSerializationError, to_json

from hone_contracts.artifacts import Attempt, Evidence, ValidatorResult
from hone_generator.artifacts.kind import Draft
from hone_generator.engine.errors import AnswerTooLong, AnswerUnusable

MOST_DRAFT_BYTES = 500_000
MOST_RESULTS_BYTES = 80_000
MOST_ATTEMPTS_BYTES = 250_000
_MOST_LINE_CHARS = 500
_MOST_NOTES = 40

_NO_TEXT = re.compile("[\ud800-\udfff\x00]")
_REPLACEMENT = "\ufffd"


def printable(text: str) -> str:
    """With the replacement character for each half of a character and each NUL."""
    return text if text.isascii() and "\x00" not in text else _NO_TEXT.sub(_REPLACEMENT, text)


def line(text: str) -> str:
    """Of a message or note: printable, and no longer than a person reads."""
    text = printable(text)
    return text if len(text) <= _MOST_LINE_CHARS else f"{text[: _MOST_LINE_CHARS - 1]}…"


def storable_draft(model: str, draft: Draft) -> Draft:
    """Raises AnswerTooLong, AnswerUnusable."""
    clean = replace(
        draft,
        content=printable(draft.content),
        ir=_storable_document(model, draft.ir),
        evidence=tuple(
            Evidence(element=printable(each.element), text=printable(each.text)) for each in draft.evidence
        ),
        notes=tuple(line(note) for note in draft.notes[:_MOST_NOTES]),
        answer=printable(draft.answer),
    )
    if _bytes(clean.content, clean.ir, clean.evidence) > MOST_DRAFT_BYTES:
        raise AnswerTooLong(model, MOST_DRAFT_BYTES)
    return clean


def storable_results(results: Sequence[ValidatorResult]) -> tuple[ValidatorResult, ...]:
    """All verdicts, with as many of their messages as fit."""
    for most in (1000, 20, 5, 1, 0):
        kept = tuple(_with_messages(each, most) for each in results)
        if _bytes(kept) <= MOST_RESULTS_BYTES:
            break
    return kept


def storable_attempts(attempts: Sequence[Attempt]) -> tuple[Attempt, ...]:
    """All of them, with as many of their validators' messages as fit; those of the returned answer stand in the
    artifact itself."""
    for most in (20, 5, 2, 0):
        kept = tuple(
            each.model_copy(
                update={"validators": tuple(_with_messages(result, most) for result in each.validators)}
            )
            for each in attempts
        )
        if _bytes(kept) <= MOST_ATTEMPTS_BYTES:
            break
    return kept


def _with_messages(result: ValidatorResult, most: int) -> ValidatorResult:
    messages = tuple(line(message) for message in result.messages[:most])
    return result if messages == result.messages else result.model_copy(update={"messages": messages})


def _storable_document(model: str, ir: dict[str, Any]) -> dict[str, Any]:
    try:
        to_json(ir)
    except PydanticSerializationError:
        pass  # half a character somewhere, or nested deeper than can be written
    else:
        return ir
    try:
        clean: dict[str, Any] = json.loads(printable(json.dumps(ir, ensure_ascii=False)))
        to_json(clean)
    except (ValueError, RecursionError) as error:
        raise AnswerUnusable(model, "it is nested too deep, or no text") from error
    return clean


def _bytes(*parts: Any) -> int:
    return len(to_json(parts))
