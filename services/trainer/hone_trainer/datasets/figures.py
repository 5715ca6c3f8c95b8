"""Percentages in a text, each with the name of what it measures and the place of its number."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from hone_trainer.datasets.row_text import RowText

_NUMBER = r"(?<![\w.,])[-+\u2212]?(\d{1,9}(?:[.,]\d{1,8})?)"
_UNIT = r"\s?(?:%|percent\b|per cent\b|pct\b|prozent\b|pour cent\b)"
PERCENT = re.compile(_NUMBER + _UNIT, re.IGNORECASE)
_SIGNS = ("%", "percent", "per cent", "pct", "prozent", "pour cent")
_SIGN_WORDS = frozenset(
    b"percent percentage cent pct prozent share margin growth churn discount vat conversion utilisation utilization "
    b"occupancy coverage retention uptime availability accuracy turnout rate rates".split()
)

_FIELD = re.compile(
    r"[\"']([A-Za-z_][\w %./()-]{0,60})[\"']\s{0,3}:\s{0,9}[\"']?[-+]?(\d{1,9}(?:\.\d{1,8})?)(?![\w.])(\s?%)?"
)
_PERCENT_NAME = re.compile(r"%|percent|pct|prozent", re.IGNORECASE)
# Names that usually, but not always, mean percent.
_RATE_NAME = re.compile(
    r"(?:^|[_\W])(?:share|margin|growth|churn|discount|vat|conversion|utili[sz]ation|occupancy|coverage|retention|"
    r"uptime|availability|accuracy|turnout|(?:tax|error|success|failure|growth|churn|conversion|interest|bounce|"
    r"return|fill|pass|attendance|completion)[_ ]?rate)s?(?:$|[_\W])", re.IGNORECASE,
)  # fmt: skip
_RULE_OF_TABLE = re.compile(r"\s{0,9}\|?(?:\s{0,9}:?-{2,}:?\s{0,9}\|?)+\s{0,9}")
_CELL_NUMBER = re.compile(
    r"\s{0,40}(?:\*\*)?[-+\u2212]?(\d{1,9}(?:[.,]\d{1,8})?)\s?(%|percent\b|pct\b)?(?:\*\*)?\s{0,40}",
    re.IGNORECASE,
)
_GENERAL_HEADING = frozenset({"", "value", "values", "figure", "amount", "result", "results", "percentage"})
_CLAUSE = re.compile(r"[.!?;\n|]|, ")
_WORD = re.compile(r"[^\W\d_][\w'-]*")
# Words between a name and its figure, and those that every name has.
_EMPTY_WORDS = frozenset(
    """
    the a an is was are were be of at to by for in on and or about around roughly only just nearly almost has had have
    reached reaches stands stood remains rose fell grew dropped came comes from with this that its their our it now up
    down rate share value percentage percent pct level ratio figure total overall approximately equals last over
    """.split()  # noqa: SIM905 - forty lines otherwise
)
_BARE = re.compile(
    r"\s{0,9}(?:\*\*)?[-+]?\d{1,9}(?:[.,]\d{1,8})?" + _UNIT + r"(?:\*\*)?\.?\s{0,9}", re.IGNORECASE
)
_MOST_FIGURES = 400  # of a text: a table of more is judged by its first ones
_LONGEST_TEXT = 60_000


@dataclass(frozen=True, slots=True)
class Figure:
    name: str
    """Normalised; "" when none is told."""
    value: float
    decimals: int
    start: int
    """Where the number stands in the text, without its sign."""
    end: int
    sure: bool = True
    """False: only its name suggests that it is a percentage."""


def may_have_figures(text: RowText) -> bool:
    return "%" in text.lower or not _SIGN_WORDS.isdisjoint(text.words)


def figures(text: str, asked: str) -> list[Figure]:
    """``asked`` names a figure that is the whole answer."""
    text = text[:_LONGEST_TEXT]
    lower = text.lower()
    percent = any(sign in lower for sign in _SIGNS)
    found: list[Figure] = []
    if '":' in text or "':" in text:
        found += _fields(text)
    if percent and "|" in text:
        found += _cells(text)
    if percent:
        taken = {figure.start for figure in found}
        found += (figure for figure in _in_prose(text, asked) if figure.start not in taken)
    return found[:_MOST_FIGURES]


def normalised(name: str) -> str:
    words: list[str] = _WORD.findall(name.replace("_", " ").lower())
    return " ".join([word for word in words if word not in _EMPTY_WORDS] or words)


def _figure(name: str, match: re.Match[str], group: int, offset: int = 0, sure: bool = True) -> Figure:
    text = match[group].replace(",", ".")
    decimals = len(text.partition(".")[2])
    return Figure(name, float(text), decimals, match.start(group) + offset, match.end(group) + offset, sure)


def _fields(text: str) -> Iterator[Figure]:
    for match in _FIELD.finditer(text):
        sure = bool(match[3]) or bool(_PERCENT_NAME.search(match[1]))
        if sure or _RATE_NAME.search(match[1]):
            yield _figure(normalised(match[1]), match, 2, sure=sure)


def _cells(text: str) -> Iterator[Figure]:
    """Of Markdown tables. A column is named by its heading, or each row by its first cell when that says nothing."""
    headings: list[str] = []
    before, offset = "", 0
    for line in text.splitlines(keepends=True):
        if "|" not in line:
            headings = []
        elif _RULE_OF_TABLE.fullmatch(line.rstrip()):
            headings = _split(before)
        elif headings:
            yield from _of_line(line, offset, headings)
        before, offset = line, offset + len(line)


def _of_line(line: str, offset: int, headings: list[str]) -> Iterator[Figure]:
    place = len(line) - len(line.lstrip()) + (1 if line.lstrip().startswith("|") else 0)
    cells = _split(line)
    for column, cell in enumerate(line.rstrip()[place:].split("|")):
        match = _CELL_NUMBER.fullmatch(cell)
        if match and column < len(headings):
            heading = headings[column]
            if match[2] or _PERCENT_NAME.search(heading):
                name = normalised(heading)
                name = normalised(cells[0]) if name in _GENERAL_HEADING and column else name
                yield _figure(name, match, 1, offset + place)
        place += len(cell) + 1


def _split(line: str) -> list[str]:
    return [cell.strip() for cell in line.strip().strip("|").split("|")]


def _in_prose(text: str, asked: str) -> Iterator[Figure]:
    bare = _BARE.fullmatch(text)
    for match in PERCENT.finditer(text):
        yield _figure(asked_name(asked) if bare else _name_of(text, match), match, 1)


def asked_name(asked: str) -> str:
    """What questions of one kind have in common: their first words, without names and numbers."""
    first, *others = asked.split()[:12] or [""]
    words = [first, *(word for word in others if word[:1].islower())]
    return "asked: " + " ".join(word.lower().strip("?.,:;") for word in words[:5])


def _name_of(text: str, match: re.Match[str]) -> str:
    before = text[max(0, match.start() - 80) : match.start()]
    clause = _CLAUSE.split(before)[-1]
    label = clause.rstrip(" *-+\u2212")
    if label.endswith((":", "=")):
        return normalised(label[-60:-1])
    words = [word for word in _WORD.findall(clause.lower()) if word not in _EMPTY_WORDS]
    if words:
        return " ".join(words[-2:])
    after = _CLAUSE.split(text[match.end() : match.end() + 60])[0]
    words = [word for word in _WORD.findall(after.lower()) if word not in _EMPTY_WORDS]
    return " ".join(words[:2])
