"""Files of training data, read and written row by row."""

from __future__ import annotations

import io
import json
import os
import re
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from io import BufferedReader
from pathlib import Path
from typing import Any, BinaryIO, Literal, cast

from hone_trainer.datasets.chat_text import MARKER, plain_conversations
from hone_trainer.datasets.errors import NoSuchFile, UnknownFormat, Unreadable
from hone_trainer.datasets.findings import Finding
from hone_trainer.datasets.lines import LARGEST_ROW_BYTES, Element, Line, array_elements, lines, parsed
from hone_trainer.datasets.records import FORMATS, BadRecord, Format, format_of, record_of, row_of
from hone_trainer.datasets.rows import Row

__all__ = ["FORMATS", "Format", "Layout", "detect", "opened", "read", "record_text", "rows_of", "write"]

Container = Literal["lines", "array", "plain"]

_BUFFER_BYTES = 2 * LARGEST_ROW_BYTES
_LOOKED_AT_BYTES = LARGEST_ROW_BYTES
_LOOKED_AT_LINES = 20
_SURROGATE = re.compile("[\ud800-\udfff]")
BYTE_ORDER_MARK = "the file begins with a byte order mark"
_BOM = b"\xef\xbb\xbf"
_NOT_TEXT = (
    (b"\xff\xfe", "it is UTF-16 text; convert it first: iconv -f UTF-16 -t UTF-8"),
    (b"\xfe\xff", "it is UTF-16 text; convert it first: iconv -f UTF-16 -t UTF-8"),
    (b"\x1f\x8b", "it is compressed; unpack it first: gunzip"),
    (b"\x28\xb5\x2f\xfd", "it is compressed; unpack it first: unzstd"),
    (b"PK\x03\x04", "it is an archive; unpack it first: unzip"),
    (b"PAR1", "it is Parquet; convert it to JSON lines first"),
)


@dataclass(frozen=True, slots=True)
class Layout:
    """A format, and what holds its records."""

    format: Format
    container: Container


@contextmanager
def opened(source: Path | str | BinaryIO) -> Iterator[BufferedReader]:
    """The source as a stream that can be peeked into. Raises NoSuchFile and Unreadable."""
    if not isinstance(source, str | os.PathLike):
        # A buffer large enough to see whole rows in.
        stream: BufferedReader = BufferedReader(cast(Any, source), _BUFFER_BYTES)
        try:
            yield stream
        finally:
            stream.detach()
        return
    try:
        file = Path(source).open("rb", buffering=_BUFFER_BYTES)  # noqa: SIM115 - closed below
    except FileNotFoundError:
        raise NoSuchFile(source) from None
    except (OSError, ValueError) as error:  # ValueError: a NUL in the name
        reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
        raise Unreadable(source, reason) from error
    with file:
        yield cast(BufferedReader, file)


def read(source: Path | str | BinaryIO, format: Format | None = None) -> Iterator[Row | Finding]:
    """The rows in their order. What cannot be read as a row is a finding that names it.

    Raises NoSuchFile, Unreadable and UnknownFormat.
    """
    with opened(source) as stream:
        for _, item in rows_of(stream, detect(stream, format)):
            yield item


def rows_of(stream: BufferedReader, layout: Layout) -> Iterator[tuple[str, Row | Finding]]:
    """Each with the text that it was read from."""
    if stream.peek(3).startswith(_BOM):
        yield "", Finding("encoding", "error", 1, BYTE_ORDER_MARK, "save the file as UTF-8 without one")
        stream.read(3)
    if layout.container == "array":
        for element in array_elements(stream, _is_record):
            yield element.text, _of_element(element, layout.format)
    else:
        parts = plain_conversations(stream) if layout.container == "plain" else lines(stream)
        for line in parts:
            yield line.text, _of_line(line, layout)


def detect(stream: BufferedReader, told: Format | None = None) -> Layout:
    """From the first rows, without moving the stream on. Raises UnknownFormat and Unreadable."""
    head = stream.peek(_LOOKED_AT_BYTES)[:_LOOKED_AT_BYTES]
    name = getattr(stream, "name", "the stream")
    for magic, reason in _NOT_TEXT:
        if head.startswith(magic):
            raise Unreadable(name, reason)
    text = head.removeprefix(_BOM).decode("utf-8", "surrogateescape").lstrip()
    if text.startswith("["):
        element = next(array_elements(io.BytesIO(head), _is_record), None)
        found = format_of(element.value) if element else None
        if found or told:
            return Layout(told or found or "messages", "array")
    found = next(
        filter(None, map(_format_of_line, text.split("\n", _LOOKED_AT_LINES)[:_LOOKED_AT_LINES])), None
    )
    if found is None and MARKER.search(text) and told in (None, "text"):
        return Layout("text", "plain")
    if told is None and found is None and text:
        raise UnknownFormat(FORMATS)
    return Layout(told or found or "messages", "lines")


def _is_record(value: Any) -> bool:
    return format_of(value) is not None


def _format_of_line(line: str) -> Format | None:
    try:
        return format_of(parsed(line))
    except ValueError:
        return None


def _of_line(line: Line, layout: Layout) -> Row | Finding:
    if not line.whole:
        return _too_long(line.number)
    if layout.container == "plain":
        return _of_record({"text": line.text}, layout.format, line.number, line.text)
    try:
        record = parsed(line.text)
    except ValueError as error:
        return _broken(line.number, f"it is not JSON: {error}")
    return _of_record(record, layout.format, line.number, line.text)


def _of_element(element: Element, format_name: Format) -> Row | Finding:
    if element.problem:
        return _broken(element.number, f"it is not JSON: {element.problem}")
    return _of_record(element.value, format_name, element.number, element.text)


def _of_record(record: Any, format_name: Format, number: int, raw: str) -> Row | Finding:
    try:
        return row_of(record, format_name, number, raw)
    except BadRecord as error:
        return Finding("schema", "error", number, error.message, error.suggestion)


def _too_long(number: int) -> Finding:
    limit = f"{LARGEST_ROW_BYTES >> 20} MiB"
    return Finding("schema", "error", number, f"it is longer than {limit}", "shorten it, or take it out")


def _broken(number: int, message: str) -> Finding:
    return Finding("schema", "error", number, message, "write one JSON object, or take the row out")


def record_text(row: Row, format_name: Format) -> str:
    """The row as one line of JSON. Raises NotRepresentable."""
    text = json.dumps(record_of(row, format_name), ensure_ascii=False)
    # Half a character has no UTF-8; as an escape it stays what it is.
    return _SURROGATE.sub(lambda match: f"\\u{ord(match[0]):04x}", text)


def write(rows: Iterable[Row], path: Path | str, format: Format) -> int:
    """JSON lines in ``format``; returns how many. The file is there when it is whole. Raises NotRepresentable."""
    target, written = Path(path), 0
    descriptor, name = tempfile.mkstemp(prefix=f".{target.name}.", dir=target.parent)
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8", newline="\n") as file:
            for row in rows:
                file.write(record_text(row, format) + "\n")
                written += 1
        Path(name).chmod(0o644)
        Path(name).replace(target)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise
    return written
