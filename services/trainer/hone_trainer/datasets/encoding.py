"""Characters that no person typed: broken encodings, controls, what cannot be seen. And how they are mended."""

from __future__ import annotations

import re
from collections.abc import Iterator

from hone_trainer.datasets.problems import Problem, shown
from hone_trainer.datasets.row_text import RowText
from hone_trainer.datasets.rows import Row

_CONTROL = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")
_BAD_BYTES = re.compile("[\udc80-\udcff]+")
_HALF = re.compile("[\ud800-\udfff]")
_UNSEEN = re.compile("[\ufeff\u200b\u2060\u202a-\u202e\u2066-\u2069]")
_REPLACED = "\ufffd"

# The bytes 0x80 to 0xBF as Windows-1252 shows them (Latin-1 where it has nothing): they follow a first byte of UTF-8.
_FOLLOWING = "\x80-\xbf€‚ƒ„…†‡ˆ‰Š‹ŒŽ‘’“”•–—˜™š›œžŸ"
_MOJIBAKE = re.compile(
    # Only first bytes that hardly ever stand before such a character in real text; after a capital they are letters.
    f"(?<![A-ZÀ-Þ])[ÂÃ][{_FOLLOWING}]|â[€‚„†][{_FOLLOWING}]|ðŸ[{_FOLLOWING}]{{2}}"
    f"|(?:[ÐÑ][{_FOLLOWING}]){{3,200}}"
)
_ROUNDS = 3  # text may have gone wrong more than once


def encoding_problems(row: Row, row_text: RowText) -> Iterator[Problem]:
    """At most one of each kind a row."""
    if row_text.lower.isascii() and not row_text.controls():
        return
    told: set[str] = set()
    for turn in row.turns:
        for message, suggestion in _of_text(turn.content):
            if message not in told:
                told.add(message)
                yield Problem("encoding", message, suggestion)


def _of_text(text: str) -> Iterator[tuple[str, str]]:
    if match := _CONTROL.search(text):
        name = "NUL" if match[0] == "\0" else f"U+{ord(match[0]):04X}"
        yield f"there is a control character ({name})", "take it out (--fix does)"
    if text.isascii():
        return
    if match := _BAD_BYTES.search(text):
        yield (
            f"byte 0x{ord(match[0][0]) - 0xDC00:02X} is no UTF-8",
            "save it as UTF-8 (--fix reads it as Windows-1252)",
        )
    elif match := _HALF.search(text):
        yield f"there is half a character (U+{ord(match[0]):04X})", "take it out (--fix does)"
    if match := _UNSEEN.search(text):
        yield f"there is a character that nobody sees (U+{ord(match[0]):04X})", "take it out (--fix does)"
    if match := _MOJIBAKE.search(text):
        around = text[max(0, match.start() - 12) : match.end() + 8]
        yield (
            f'"{shown(around, 40)}" was read in a wrong encoding',
            f'"{shown(cleaned(around), 40)}" is meant (--fix)',
        )
    if _REPLACED in text:
        yield "a character was lost (U+FFFD)", "write what stood there, or take the row out"


def cleaned(text: str) -> str:
    """Without what can be mended for sure."""
    text = _CONTROL.sub("", text)
    if text.isascii():
        return text
    text = _BAD_BYTES.sub(lambda match: _of_windows(bytes(ord(char) - 0xDC00 for char in match[0])), text)
    text = _UNSEEN.sub("", _HALF.sub("", text))
    for _ in range(_ROUNDS):
        mended = _MOJIBAKE.sub(lambda match: _decoded(match[0]), text)
        if mended == text:
            break
        text = mended
    return text


def _of_windows(data: bytes) -> str:
    return "".join(_shown_by_windows(byte) for byte in data)


def _shown_by_windows(byte: int) -> str:
    try:
        return bytes([byte]).decode("cp1252")
    except UnicodeDecodeError:  # five bytes that Windows-1252 has nothing for
        return chr(byte)


def _decoded(shown_wrong: str) -> str:
    data = bytearray()
    for char in shown_wrong:
        try:
            data += char.encode("cp1252")
        except UnicodeEncodeError:
            data.append(ord(char) & 0xFF)
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError:
        return shown_wrong
