"""Rows of bytes from a stream, each of bounded size: a hostile line costs no more memory than its limit."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from io import BufferedIOBase
from typing import Any

LARGEST_ROW_BYTES = 1 << 20
"""Longer is no example: the largest artifacts and their requirements take a tenth of it."""

_CHUNK_BYTES = 1 << 16
_DECODER = json.JSONDecoder(strict=False)  # raw control characters are the encoding gate's to name
_BETWEEN = re.compile(r"[\s,]*")
_NEXT_OBJECT = re.compile(r"\}\s{0,99},\s{0,99}(?=\{)")
_LONGEST_BETWEEN = 200
_MOST_TRIES = 100  # to go on after a broken value: each may read a row's length


@dataclass(frozen=True, slots=True)
class Line:
    number: int
    text: str
    """Bytes that are no UTF-8 are lone surrogates."""
    whole: bool = True
    """False: it is longer than may be, and ``text`` is only its beginning."""


@dataclass(frozen=True, slots=True)
class Element:
    """One value of a JSON array; ``problem`` says why there is none."""

    number: int
    text: str
    value: Any = None
    problem: str = ""


def parsed(text: str) -> Any:
    """Raises ValueError, which says what is wrong."""
    try:
        value, end = _DECODER.raw_decode(text, len(text) - len(text.lstrip()))
    except RecursionError:
        raise ValueError("it is nested too deeply") from None
    if text[end:].strip():
        raise ValueError(f"there is more after the value (character {end + 1})")
    return value


def lines(stream: BufferedIOBase) -> Iterator[Line]:
    """The lines that hold something, with their numbers from 1."""
    number = 0
    while data := stream.readline(LARGEST_ROW_BYTES + 1):
        number += 1
        whole = len(data) <= LARGEST_ROW_BYTES or data.endswith(b"\n")
        if not whole:
            _skip_line(stream)
            data = data[:200]
        text = data.decode("utf-8", "surrogateescape").rstrip("\r\n")
        if text.strip(" \t\r\n\x0b\x0c"):
            yield Line(number, text, whole)


def _skip_line(stream: BufferedIOBase) -> None:
    while data := stream.readline(_CHUNK_BYTES):
        if data.endswith(b"\n"):
            return


def array_elements(stream: BufferedIOBase, is_record: Callable[[Any], bool]) -> Iterator[Element]:
    """The values of the JSON array that the stream holds. After one that is broken, the next record goes on."""
    window = _Window(stream, is_record)
    window.skip_opening()
    number = 0
    while window.fill() and not window.at_end_of_array():
        number += 1
        yield window.take(number)


class _Window:
    """A part of the text, never shorter than the largest row while there is more."""

    def __init__(self, stream: BufferedIOBase, is_record: Callable[[Any], bool]) -> None:
        self._stream, self._is_record = stream, is_record
        self._text, self._place, self._ended = "", 0, False
        self._undecoded = b""

    def fill(self) -> bool:
        """Whether there is anything left but white space and commas."""
        while True:
            self._place = _BETWEEN.match(self._text, self._place).end()  # type: ignore[union-attr]
            if not self._ended and len(self._text) - self._place <= LARGEST_ROW_BYTES:
                self._read()
            elif self._place < len(self._text):
                return True
            elif self._ended:
                return False

    def _read(self) -> None:
        data = self._undecoded + self._stream.read(2 * LARGEST_ROW_BYTES)
        self._ended = len(data) == len(self._undecoded)
        # A character of several bytes is not cut in two.
        keep = 0 if self._ended else _unfinished(data)
        self._undecoded = data[len(data) - keep :]
        decoded = data[: len(data) - keep].decode("utf-8", "surrogateescape")
        self._text = self._text[self._place :] + decoded
        self._place = 0

    def skip_opening(self) -> None:
        self.fill()
        if self._text[self._place : self._place + 1] == "\ufeff":
            self._place += 1
        self.fill()
        if self._text[self._place : self._place + 1] == "[":
            self._place += 1

    def at_end_of_array(self) -> bool:
        return self._text[self._place] == "]"

    def take(self, number: int) -> Element:
        try:
            value, end = _DECODER.raw_decode(self._text, self._place)
        except ValueError as error:
            return self._broken(number, str(error))
        except RecursionError:
            return self._broken(number, "it is nested too deeply")
        text, self._place = self._text[self._place : end], end
        if len(text) > LARGEST_ROW_BYTES:
            return Element(number, text[:200], problem=f"it is longer than {LARGEST_ROW_BYTES >> 20} MiB")
        return Element(number, text, value)

    def _broken(self, number: int, problem: str) -> Element:
        text = self._text[self._place : self._place + 200]
        self._find_next_record()
        return Element(number, text, problem=problem)

    def _find_next_record(self) -> None:
        """To the next object that is a record, which one within the broken value is not; or to the end."""
        for _ in range(_MOST_TRIES):
            while not (match := _NEXT_OBJECT.search(self._text, self._place)):
                if self._ended:
                    self._place = len(self._text)
                    return
                self._place = max(self._place, len(self._text) - _LONGEST_BETWEEN)
                self._read()
            self._place = match.end()
            self.fill()
            try:
                value, _ = _DECODER.raw_decode(self._text, self._place)
            except (ValueError, RecursionError):
                continue
            if self._is_record(value):
                return
        self._place = len(self._text)


def _unfinished(data: bytes) -> int:
    """How many bytes at the end begin a character of UTF-8 and do not end it."""
    for back in range(1, min(4, len(data) + 1)):
        byte = data[-back]
        if byte >= 0xC0:
            length = 2 if byte < 0xE0 else 3 if byte < 0xF0 else 4
            return back if back < length else 0
        if byte < 0x80:
            return 0
    return 0
