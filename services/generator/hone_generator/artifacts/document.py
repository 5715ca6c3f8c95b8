"""JSON and YAML documents with the line of every value, read without recursion and within bounds.

Answers are hostile: YAML's aliases blow up a billion-fold, nesting breaks parsers that recurse. Here both come from
a stream of events, and depth and the number of values (aliases expanded) are bounded. YAML is read by the core schema
of version 1.2, as OpenAPI asks: ``no`` and ``on`` are words, keys are strings, there are no dates.
"""

import json
import math
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

MOST_BYTES = 256 * 1024
_MOST_VALUES = 20_000
_DEEPEST = 60


class Malformed(Exception):
    """The text is no document; ``line`` counts from 1."""

    def __init__(self, line: int, reason: str) -> None:
        super().__init__(f"line {line}: {reason}")
        self.line, self.reason = line, reason


Path = tuple[str | int, ...]


@dataclass(slots=True)
class Document:
    """``lines`` by path; ``twice`` are keys that stand twice in one object, with their lines."""

    value: Any
    lines: dict[Path, int] = field(default_factory=dict)
    twice: list[tuple[Path, int]] = field(default_factory=list)

    def at(self, path: Path) -> str:
        """ "line 3: ", of the value itself or of what encloses it."""
        for length in range(len(path), -1, -1):
            if path[:length] in self.lines:
                return f"line {self.lines[path[:length]]}: "
        return ""

    def line(self, path: Path) -> int | None:
        return self.lines.get(path)


def read_document(text: str) -> Document:
    """JSON if it begins as an object of JSON, else YAML. Raises Malformed."""
    check_text(text)
    return read_json(text) if text.lstrip().startswith("{") else read_yaml(text)


def check_text(text: str) -> None:
    """Raises Malformed for what is too long or no text."""
    try:
        size = len(text.encode())
    except UnicodeEncodeError as error:
        raise Malformed(
            text.count("\n", 0, error.start) + 1, "a character is no character: take it out"
        ) from None
    if size > MOST_BYTES:
        raise Malformed(1, f"the document has {size} bytes, {MOST_BYTES} are read: make it shorter")
    if not text.strip():
        raise Malformed(1, "there is no document: write one")


@dataclass(slots=True)
class _Frame:
    """An object or a list that is open; ``key`` waits for its value."""

    value: dict[str, Any] | list[Any]
    path: Path
    key: str | None = None


class _Builder:
    def __init__(self) -> None:
        self.document = Document(None)
        self._open: list[_Frame] = []
        self._count = 0
        self._begun = False

    @property
    def is_key_next(self) -> bool:
        return bool(self._open) and isinstance(self._open[-1].value, dict) and self._open[-1].key is None

    @property
    def is_done(self) -> bool:
        return self._begun and not self._open

    def key(self, key: str, line: int) -> None:
        _check_scalar(key, line)
        frame = self._open[-1]
        assert isinstance(frame.value, dict)
        frame.key = key
        path = (*frame.path, key)
        if key in frame.value:
            self.document.twice.append((path, line))
        self.document.lines[path] = line

    def value(self, value: Any, line: int) -> Path:
        """Put a value where it belongs; its path."""
        _check_scalar(value, line)
        self._count += 1
        if self._count > _MOST_VALUES:
            raise Malformed(line, f"the document has more than {_MOST_VALUES} values: make it shorter")
        if not self._open:
            self._begun, self.document.value = True, value
            self.document.lines[()] = line
            return ()
        frame = self._open[-1]
        if isinstance(frame.value, list):
            path: Path = (*frame.path, len(frame.value))
            frame.value.append(value)
            self.document.lines[path] = line
            return path
        assert frame.key is not None
        path = (*frame.path, frame.key)
        frame.value[frame.key] = value
        frame.key = None
        return path

    def open(self, value: dict[str, Any] | list[Any], line: int) -> None:
        if len(self._open) >= _DEEPEST:
            raise Malformed(line, f"the document is nested deeper than {_DEEPEST} levels: make it flat")
        path = self.value(value, line)
        self._open.append(_Frame(value, path))

    def close(self) -> None:
        self._open.pop()


_HALF = re.compile("[\ud800-\udfff]")


def _check_scalar(value: Any, line: int) -> None:
    """JSON has neither infinity nor halves of characters, though Python reads both."""
    if isinstance(value, float) and not math.isfinite(value):
        raise Malformed(line, "a number is out of range: write a smaller one")
    if isinstance(value, int) and abs(value) > 10**40:
        raise Malformed(line, "a number is out of range: write a smaller one")
    if isinstance(value, str) and not value.isascii() and _HALF.search(value):
        raise Malformed(line, "a text holds half a character: take it out")


_TOKEN = re.compile(
    r'(?P<space>[ \t\r\n]+)|(?P<string>"(?:[^"\\]|\\.)*")|(?P<mark>[{}\[\],:])|(?P<plain>[^\s{}\[\],:"]+)'
)


@lru_cache(maxsize=2)
def read_json(text: str) -> Document:
    """Strict JSON, read once for all that judge it. Raises Malformed."""
    _check_depth(text)
    try:
        json.loads(text)
    except json.JSONDecodeError as error:
        raise Malformed(error.lineno, f"{error.msg} (column {error.colno})") from None
    except (ValueError, RecursionError) as error:  # a number of 5,000 digits
        raise Malformed(1, str(error)[:120]) from None
    builder, line = _Builder(), 1
    for match in _TOKEN.finditer(text):
        found = match[0]
        if found in ("{", "["):
            builder.open({} if found == "{" else [], line)
        elif found in ("}", "]"):
            builder.close()
        elif match["string"] and builder.is_key_next:
            builder.key(json.loads(found), line)
        elif match["string"] or match["plain"]:
            builder.value(json.loads(found), line)
        line += found.count("\n")
    return builder.document


def _check_depth(text: str) -> None:
    depth = 0
    for match in re.finditer(r'"(?:[^"\\]|\\.)*"?|[{}\[\]]', text):
        depth += (match[0] in "{[") - (match[0] in "}]")
        if depth > _DEEPEST:
            line = text.count("\n", 0, match.start()) + 1
            raise Malformed(line, f"the document is nested deeper than {_DEEPEST} levels: make it flat")


@lru_cache(maxsize=2)
def read_yaml(text: str) -> Document:
    """One YAML document, read once for all that judge it. Raises Malformed."""
    import yaml  # noqa: PLC0415 (only documents need it)

    builder = _Builder()
    anchors: dict[str, list[Any]] = {}
    recording: list[tuple[list[Any], int]] = []
    try:
        for event in _expanded(yaml.parse(text, Loader=yaml.CSafeLoader), anchors, recording):
            _feed(builder, event)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        said = " ".join(part for part in (error.context, error.problem) if part)
        raise Malformed(mark.line + 1 if mark else 1, said or "this is no YAML") from None
    except yaml.YAMLError as error:
        raise Malformed(1, str(error).splitlines()[0][:160]) from None
    if not builder.is_done:
        raise Malformed(1, "there is no document: write one")
    return builder.document


def _expanded(
    events: Any, anchors: dict[str, list[Any]], recording: list[tuple[list[Any], int]]
) -> Iterator[Any]:
    """Events with aliases replaced by those of what they name, which the builder's bound on values stops early."""
    import yaml  # noqa: PLC0415 (as above)

    kept, begun = 0, False
    for event in events:
        line = event.start_mark.line + 1
        if isinstance(event, yaml.DocumentStartEvent):
            if begun:
                raise Malformed(line, "a second document begins here: write one alone")
            begun = True
        if isinstance(event, yaml.AliasEvent):
            name = str(event.anchor)
            found = anchors.get(name)
            if found is None or any(found is open_ for open_, _ in recording):
                raise Malformed(line, f"alias {name[:40]} names nothing that ended before: write it out")
            yield from found
            following = found
        else:
            if isinstance(event, yaml.NodeEvent) and event.anchor:
                anchors[event.anchor] = []
                recording.append((anchors[event.anchor], 0))
            yield event
            following = [event]
        if not recording:
            continue
        kept += len(following) * len(recording)
        if kept > _MOST_VALUES:
            raise Malformed(line, "the document repeats itself too often: write less")
        _record(following, recording)


def _record(following: list[Any], recording: list[tuple[list[Any], int]]) -> None:
    """Add events to the anchors that are open; one closes with the node it stands at."""
    import yaml  # noqa: PLC0415 (as above)

    depth = sum(isinstance(each, yaml.CollectionStartEvent) for each in following)
    depth -= sum(isinstance(each, yaml.CollectionEndEvent) for each in following)
    for place, (events, open_depth) in reversed(list(enumerate(recording))):
        events.extend(following)
        recording[place] = (events, open_depth + depth)
        if open_depth + depth <= 0:
            del recording[place]


def _feed(builder: _Builder, event: Any) -> None:
    import yaml  # noqa: PLC0415 (as above)

    line = event.start_mark.line + 1
    is_node = isinstance(event, yaml.NodeEvent)
    if is_node and builder.is_key_next:
        if not isinstance(event, yaml.ScalarEvent):
            raise Malformed(line, "a key is no plain word: write it as one")
        builder.key(event.value, line)
    elif isinstance(event, yaml.ScalarEvent):
        builder.value(_scalar(event), line)
    elif isinstance(event, yaml.MappingStartEvent):
        builder.open({}, line)
    elif isinstance(event, yaml.SequenceStartEvent):
        builder.open([], line)
    elif isinstance(event, yaml.CollectionEndEvent):
        builder.close()


_INTEGER = re.compile(r"[-+]?[0-9]{1,30}")
_FLOAT = re.compile(r"[-+]?(?:\.[0-9]{1,30}|[0-9]{1,30}(?:\.[0-9]{0,30})?)(?:[eE][-+]?[0-9]{1,3})?")
_WORDS = {"null": None, "Null": None, "NULL": None, "~": None, "": None, "true": True, "True": True, "TRUE": True,
          "false": False, "False": False, "FALSE": False}  # fmt: skip


def _scalar(event: Any) -> Any:
    text: str = event.value
    return text if not event.implicit[0] or event.style not in (None, "") else plain_scalar(text)


def plain_scalar(text: str) -> Any:
    """What a word without quotes is: null, a boolean, a number, or text."""
    if text in _WORDS:
        return _WORDS[text]
    if _INTEGER.fullmatch(text):
        return int(text)
    return float(text) if _FLOAT.fullmatch(text) else text
