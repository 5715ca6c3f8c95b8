"""Server-sent events, without I/O, as servers of language models really write them.

Source: https://html.spec.whatwg.org/multipage/server-sent-events.html#parsing-an-event-stream
"""

import re
from dataclasses import dataclass

from hone_generator.providers.errors import BadProviderAnswer

_LINE_END = re.compile(rb"\r\n|\r|\n")
_BOM = b"\xef\xbb\xbf"
DEFAULT_TYPE = "message"


@dataclass(frozen=True, slots=True)
class Event:
    """``data`` has the lines of the event, with line breaks between them."""

    type: str
    data: str


class SseParser:
    """Bytes in, in any pieces; events out. What comes out does not depend on where the pieces were cut.

    A field ``error`` counts as data of an event of that type: llama.cpp's older servers break off like that. An
    event that is longer than ``max_event_bytes`` raises BadProviderAnswer, however it is cut into lines.
    """

    def __init__(self, provider: str, max_event_bytes: int) -> None:
        self._provider, self._max_event_bytes = provider, max_event_bytes
        self._line: list[bytes] = []  # of the line that is still to end
        self._event_bytes = 0
        self._type = ""
        self._data: list[str] = []
        self._skip_line_feed = False  # the piece before ended between CR and LF
        self._at_start = True

    def feed(self, piece: bytes) -> list[Event]:
        """The events that end in this piece. Raises BadProviderAnswer."""
        if self._skip_line_feed and piece:
            piece = piece.removeprefix(b"\n")
            self._skip_line_feed = False
        self._skip_line_feed = self._skip_line_feed or piece.endswith(b"\r")
        first, *others = _LINE_END.split(piece)
        self._hold(first)
        events = []
        for other in others:
            if (event := self._end_line()) is not None:
                events.append(event)
            self._hold(other)
        return events

    def close(self) -> Event | None:
        """The last event, if nothing but the empty line after it was missing. What was cut in a line is lost."""
        return self._dispatch()

    def _hold(self, part: bytes) -> None:
        self._event_bytes += len(part)
        if self._event_bytes > self._max_event_bytes:
            raise BadProviderAnswer(
                self._provider, f"it sends an event of more than {self._max_event_bytes:,} bytes"
            )
        if part:
            self._line.append(part)

    def _end_line(self) -> Event | None:
        line = b"".join(self._line)
        self._line.clear()
        if self._at_start:
            line, self._at_start = line.removeprefix(_BOM), False
        if not line:
            return self._dispatch()
        if line.startswith(b":"):
            self._event_bytes -= len(line)  # a keep-alive is no part of the event
            return None
        name, _, value = line.decode(errors="replace").partition(":")
        self._take(name, value.removeprefix(" "))
        return None

    def _take(self, name: str, value: str) -> None:
        if name == "event":
            self._type = value
        elif name == "data":
            self._data.append(value)
        elif name == "error":
            self._type = name
            self._data.append(value)

    def _dispatch(self) -> Event | None:
        data, type_ = self._data, self._type or DEFAULT_TYPE
        self._data, self._type, self._event_bytes = [], "", sum(map(len, self._line))
        return Event(type_, "\n".join(data)) if data else None
