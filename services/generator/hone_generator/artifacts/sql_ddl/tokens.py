"""The tokens of SQL text, the same for all dialects, in time linear in the text."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

Kind = Literal["word", "name", "string", "number", "mark"]

_TOKEN = re.compile(
    r"""
    (?P<space>\s+ | --[^\n]*)
  | (?P<comment>/\*)
  | (?P<hash>\#)
  | (?P<string>(?P<prefix>[eEnNbBxX])?')
  | (?P<dollar>\$(?:[A-Za-z_]\w{0,40})?\$)
  | (?P<name>"|`)
  | (?P<bracket>\[[A-Za-z_][^\]\n]{0,200}\])
  | (?P<number>\d[\d.]*(?:[eE][+-]?\d+)?)
  | (?P<word>[^\W\d][\w$]*)
  | (?P<mark>::|<>|<=|>=|!=|\|\||.)
    """,
    re.VERBOSE | re.DOTALL,
)
_REST_OF_STRING = re.compile(r"(?:[^']|'')*+'")
_REST_OF_ESCAPED = re.compile(r"(?:[^'\\]|''|\\.)*+'", re.DOTALL)
_REST_OF_NAME = {'"': re.compile(r'(?:[^"]|"")*+"'), "`": re.compile(r"(?:[^`]|``)*+`")}


@dataclass(frozen=True, slots=True)
class Token:
    """``text`` of a name or a string is what its quotes enclose; of a word it is as written. ``line`` counts
    from 1, ``place`` is the offset in the text."""

    kind: Kind
    text: str
    line: int
    place: int

    @property
    def upper(self) -> str:
        """The word in capitals; empty for what cannot be a keyword."""
        return self.text.upper() if self.kind == "word" else ""

    def is_mark(self, mark: str) -> bool:
        return self.kind == "mark" and self.text == mark


def tokens(text: str, *, mysql: bool = False) -> Iterator[Token]:
    """All tokens, comments left out. What a quote that is never closed begins is a mark and the last token. Only
    MySQL reads ``#`` as a comment and backslashes in strings; elsewhere these are for strings that begin with E."""
    place, line = 0, 1
    while place < len(text):
        match = _TOKEN.match(text, place)
        assert match is not None, "any character is at least a mark"
        end = _end(text, match, mysql=mysql)
        if end is None:
            yield Token("mark", match[0], line, place)
            return
        token = _token(text[place:end], match, line, mysql=mysql)
        if token is not None:
            yield token
        line += text.count("\n", place, end)
        place = end


def _end(text: str, match: re.Match[str], *, mysql: bool) -> int | None:
    """Where the token ends that begins with the match; None if it never does."""
    begun = match.end()
    if match["comment"]:
        found = text.find("*/", begun)
        return found + 2 if found >= 0 else None
    if match["dollar"]:
        found = text.find(match["dollar"], begun)
        return found + len(match["dollar"]) if found >= 0 else None
    if match["string"]:
        escaped = mysql or (match["prefix"] or "") in ("e", "E")
        rest = (_REST_OF_ESCAPED if escaped else _REST_OF_STRING).match(text, begun)
        return rest.end() if rest else None
    if match["name"]:
        rest = _REST_OF_NAME[match["name"]].match(text, begun)
        return rest.end() if rest else None
    if match["hash"] and mysql:
        found = text.find("\n", begun)
        return found if found >= 0 else len(text)
    return begun


def _token(found: str, match: re.Match[str], line: int, *, mysql: bool) -> Token | None:
    place = match.start()
    if match["space"] or match["comment"] or (match["hash"] and mysql):
        return None
    if match["string"]:
        return Token("string", found[match.end() - place : -1].replace("''", "'"), line, place)
    if match["name"]:
        return Token("name", found[1:-1].replace(match["name"] * 2, match["name"]), line, place)
    kinds: dict[str, Kind] = {"dollar": "string", "bracket": "name", "number": "number", "word": "word"}
    kind: Kind = next((kinds[group] for group in kinds if match[group]), "mark")
    cut = len(match["dollar"] or "") or (1 if match["bracket"] else 0)
    return Token(kind, found[cut : len(found) - cut], line, place)
