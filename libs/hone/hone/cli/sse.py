"""Server-sent events, parsed as the HTML standard says (section 9.2.6), from bytes in any pieces."""

from __future__ import annotations

import re
from dataclasses import dataclass

from hone.cli.errors import BadAnswer

_LONGEST_EVENT_BYTES = 16 << 20
_LINE_END = re.compile(rb"\r\n|\n|\r")


@dataclass(frozen=True)
class ServerEvent:
    name: str
    data: str
    id: str | None


class EventParser:
    def __init__(self) -> None:
        self._rest = b""
        self._name = ""
        self._data: list[str] = []
        self._size = 0
        self._id: str | None = None
        self._first_line = True

    def feed(self, part: bytes) -> list[ServerEvent]:
        """The events that are whole now. Raises `BadAnswer` when one never ends."""
        self._size += len(part)
        *lines, self._rest = self._split(self._rest + part)
        events = [event for line in lines if (event := self._line(line)) is not None]
        if events:
            self._size = len(self._rest)
        if self._size > _LONGEST_EVENT_BYTES:
            raise BadAnswer("is an event without end")
        return events

    def _split(self, text: bytes) -> list[bytes]:
        # A \r at the end may be half of \r\n: leave it for the next part.
        held = b"\r" if text.endswith(b"\r") else b""
        lines = _LINE_END.split(text.removesuffix(b"\r") if held else text)
        lines[-1] += held
        return lines

    def _line(self, raw: bytes) -> ServerEvent | None:
        line = raw.decode("utf-8", "replace")
        if self._first_line:
            line = line.removeprefix("\ufeff")
            self._first_line = False
        if not line:
            return self._dispatch()
        name, _, value = line.partition(":")
        value = value.removeprefix(" ")
        if name == "event":
            self._name = value
        elif name == "data":
            self._data.append(value)
        elif name == "id" and "\0" not in value:
            self._id = value
        return None

    def _dispatch(self) -> ServerEvent | None:
        name, data = self._name or "message", self._data
        self._name, self._data = "", []
        return ServerEvent(name, "\n".join(data), self._id) if data else None
