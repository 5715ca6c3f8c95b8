"""Answers that are empty, or end before they are finished.

A cut is told from what is still open at the end: a fence, JSON, a bracket, a line that needs another. Whether an
answer in prose must end with a full stop is learned from the set: where nine in ten do, the one that does not is cut.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator

from hone_trainer.datasets.brackets import unclosed
from hone_trainer.datasets.problems import Problem, shown
from hone_trainer.datasets.rows import Row
from hone_trainer.datasets.settings import GateSettings

_FENCE = re.compile(r"^[ \t]{0,9}+(`{3,}+|~{3,}+)", re.MULTILINE)
# Words that never end a sentence, and signs that never end a text.
_OPEN_WORDS = frozenset(
    """
    the an and or nor of with whose which that has have is are was were their its every each because between into from
    than
    """.split()  # noqa: SIM905 - twenty lines otherwise
)
_OPEN_SIGNS = (",", ";", "(", "[", "{", " -", "such as", "for example", "e.g.", "i.e.")
_OPEN_CODE = re.compile(r"(?:[,([{=]|(?<!\+)\+|(?:[|}o]{1,2}|\s)(?:--|\.\.)[|o{]{0,2})\Z")
_OPEN_COLON = re.compile(r"\w[\"'`)]?:\Z")
# Words, and no sign after the last of them; tags, formulas and signatures end so too.
_BREAKS_OFF = re.compile(r"(?:^|(?<=\s))[^\W\d_#@][\w'’-]*+,?[ ](?:[\w'’-]++,?[ ])*+[^\W\d_][\w'’-]*+\Z")
_ITEM = re.compile(r"\s{0,40}(?:[-*•+>|#}]|//|</|```|\d{1,3}[.)]|\(?[a-z][.)] |[—–~])")
_CODE_LINE = re.compile(
    r"\A\s{0,99}(?:```|~~~|[{\[<]|---|erDiagram|classDiagram|sequenceDiagram|stateDiagram|flowchart|graph |openapi:|"
    r"CREATE |ALTER |SELECT |INSERT |WITH |--|#!|import |from \w{1,40} import|def |class \w|@startuml|\"\"\"|\||\#)",
    re.IGNORECASE,
)
_LAST_LINE_LONG = 6  # words from which a last line is a sentence rather than a label
_TAIL = 400
_END = 60
_LONGEST_TOKEN = 12  # of JSON that a cut leaves a part of, as in `fals`


class Truncated:
    """Tells most cuts row by row, and those of prose when it has seen the set's style."""

    def __init__(self, settings: GateSettings) -> None:
        self._settings = settings
        self._finished = 0
        self._open_ends: list[tuple[int, str]] = []

    def problems(self, row: Row) -> Iterator[Problem]:
        prose = False
        for turn in row.turns:
            if turn.role != "assistant":
                continue
            prose = _is_prose(turn.content)
            problem = _cut(turn.content, prose)
            if problem:
                yield Problem("truncated", *problem)
                return
        if prose:
            self._learn(row)

    def _learn(self, row: Row) -> None:
        answer = row.answer
        if not _BREAKS_OFF.search(answer.rstrip()[-_END:]):
            self._finished += 1
        elif len(self._open_ends) < self._settings.most_findings_kept:
            self._open_ends.append((row.number, shown(answer.rstrip()[-40:])))

    def at_the_end(self) -> Iterator[tuple[int, Problem]]:
        prose = self._finished + len(self._open_ends)
        if (
            prose < self._settings.finished_min_answers
            or self._finished < self._settings.finished_share * prose
        ):
            return
        for number, end in self._open_ends:
            message = f'the answer ends in the middle of a sentence: "{end}"'
            yield number, Problem("truncated", message, _SUGGESTION)


_SUGGESTION = "write its end, or take the row out"


def _cut(answer: str, prose: bool) -> tuple[str, str] | None:
    if not answer.strip():
        return "the answer is empty", "write it, or take the row out"
    message = _open_whole(answer) or _open_end(answer, prose)
    if not message and (opener := unclosed(answer, code=not prose)):
        message = f'"{opener}" is not closed at the end of the answer'
    return (message, _SUGGESTION) if message else None


def _open_whole(answer: str) -> str:
    if ("```" in answer or "~~~" in answer) and _fence_is_open(answer):
        return "a code fence is not closed at the end of the answer"
    if answer.lstrip()[0] in "{[" and _json_is_cut(answer):
        return "the JSON of the answer ends before it is whole"
    return ""


def _open_end(answer: str, prose: bool) -> str:
    tail = answer[-_TAIL:].rstrip()[-_END:]
    if prose and (tail.endswith(_OPEN_SIGNS) or tail.rsplit(None, 1)[-1].lower() in _OPEN_WORDS):
        return f'the answer ends in the middle of a sentence: "{_end_of(tail)}"'
    if not prose and _OPEN_CODE.search(tail[-6:]):
        return f'the last line needs another: "{_end_of(tail)}"'
    if tail.endswith(":") and _OPEN_COLON.search(tail[-6:]):
        return f'what the last line announces is missing: "{_end_of(tail)}"'
    return ""


def _end_of(tail: str) -> str:
    return shown(tail.rsplit("\n", 1)[-1][-40:])


def _fence_is_open(answer: str) -> bool:
    opening = ""
    for match in _FENCE.finditer(answer):
        if not opening:
            opening = match[1]
        elif match[1][0] == opening[0] and len(match[1]) >= len(opening):
            opening = ""
    return bool(opening)


def _json_is_cut(answer: str) -> bool:
    """It reads as JSON up to its end, and wants more. Text that only begins like JSON is none."""
    try:
        json.loads(answer)
    except json.JSONDecodeError as error:
        rest = answer[error.pos :].strip()
        return (
            not rest
            or "Unterminated string" in error.msg
            or (error.pos > len(answer) - 12 and len(answer) > 40)
        )
    except (ValueError, RecursionError):
        return False
    return False


def _is_prose(answer: str) -> bool:
    """Sentences: the last line is long enough to be one, and none of the usual beginnings of code stands first."""
    if _CODE_LINE.match(answer):
        return False
    last = answer[-_TAIL:].rstrip().rsplit("\n", 1)[-1]
    if _ITEM.match(last):
        return False
    return len(last.split()) >= _LAST_LINE_LONG
