"""Mermaid text taken apart into lines, for the readers of each diagram."""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Generic, TypeVar

D = TypeVar("D")

_ENTITY_CODE = re.compile(r"#\w{1,8}$")
_ACCESSIBILITY = re.compile(r"acc(?:Title|Descr)\s*[:{]")


@dataclass(frozen=True, slots=True)
class Problem:
    """Something on a line (counted from 1) that a reader cannot make sense of. A ``fatal`` one leaves no diagram."""

    line: int
    what: str
    fatal: bool = False


@dataclass(frozen=True, slots=True)
class Read(Generic[D]):
    """A diagram with where its elements stand. ``exact`` is one that came as data, where a name that is not declared
    is a mistake; text may use a name without declaring it."""

    diagram: D
    lines: dict[str, int] = field(default_factory=dict)
    problems: tuple[Problem, ...] = ()
    exact: bool = False


def statements(text: str, header: re.Pattern[str]) -> tuple[list[tuple[int, str]], list[Problem]]:
    """Numbered lines after the header, without front matter, fences, comments, descriptions and blank ones; and a
    problem where there is no header, or something before it."""
    lines: list[tuple[int, str]] = []
    problems: list[Problem] = []
    for found in _statements(text, header):
        if isinstance(found, Problem):
            problems.append(found)
        else:
            lines.append(found)
    return lines, problems


def _statements(text: str, header: re.Pattern[str]) -> Iterator[tuple[int, str] | Problem]:
    begun = inside = False
    for number, line in _lines(text):
        if inside:
            inside = "}" not in line
        elif not begun:
            found = header.match(line)
            begun = found is not None
            if found is None:
                yield Problem(number, f"{shown(line)} stands before the diagram: leave it out")
            elif rest := line[found.end() :].strip(" ;"):
                yield number, rest
        elif _ACCESSIBILITY.match(line):
            inside = "{" in line and "}" not in line
        else:
            yield number, line
    if not begun:
        yield Problem(1, f"there is no diagram: begin with the line {_first_word(header)}", fatal=True)


def _lines(text: str) -> Iterator[tuple[int, str]]:
    lines = [" ".join(line.split()) for line in text.split("\n")]
    start = 0
    if lines[0] == "---" and "---" in lines[1:]:
        start = lines.index("---", 1) + 1
    directive = False
    for number, written in enumerate(lines[start:], start + 1):
        directive = directive or written.startswith("%%{")
        line = "" if directive else written.partition(" %%")[0]
        directive = directive and "}%%" not in written
        if line and not line.startswith(("%%", "```", "~~~")):
            yield number, line


def parted(line: str, *, quotes: bool) -> Iterator[str]:
    """The statements of a line, parted by semicolons; that of an entity code (`#quot;`) parts nothing, nor does one
    between double quotes where these hold text."""
    quoted, start = False, 0
    for place, char in enumerate(line):
        if char == '"':
            quoted = quotes and not quoted
        elif char == ";" and not quoted and not _ENTITY_CODE.search(line[max(start, place - 9) : place]):
            yield line[start:place].strip()
            start = place + 1
    yield line[start:].strip()


def shown(text: str) -> str:
    """As quoted in a message: short."""
    return repr(text if len(text) <= 60 else text[:59] + "…")


def unquoted(text: str) -> str:
    text = text.strip()
    return text[1:-1].strip() if len(text) > 1 and text[0] == text[-1] and text[0] in '"`' else text


def _first_word(header: re.Pattern[str]) -> str:
    return re.sub(r"\W.*", "", header.pattern.removeprefix("(?:"))
