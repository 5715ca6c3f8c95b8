"""Mermaid ER text read back into a diagram, tolerantly: for checks of a file that came from anywhere.

Whether Mermaid accepts the text is not decided here (its own parser does that); a line that is not
understood is reported and passed over.
"""

import re
from dataclasses import dataclass

from hone_contracts.erd_facts import Cardinality
from hone_generator.artifacts.mermaid_erd.ir import KEY_ORDER, Attribute, Diagram, Entity, Relationship

_NAME = r'(?:"[^"]*"|[^\s"{}\[\]:|]+?)'
_ALIAS = r'(?:\s*\[\s*(?P<alias>"[^"]*"|[^\]]*)\s*\])?'
_ENTITY = re.compile(
    rf"(?P<name>{_NAME}){_ALIAS}(?:\s*:::\s*[\w,-]+)?"
    r"\s*(?:(?P<open>\{)\s*(?P<inline>[^{}]*?)\s*(?P<close>\})?)?"
)
_LEFT, _RIGHT = r"\|\||\|o|o\||\}o|\}\||0\+|1\+", r"\|\||o\||\|o|o\{|\|\{|0\+|1\+"
_RELATION = re.compile(
    rf"(?P<from>{_NAME})\s*(?P<left>{_LEFT})\s*(?:--|\.\.|\.-|-\.)\s*(?P<right>{_RIGHT})\s*(?P<to>{_NAME})"
    r"\s*(?::\s*(?P<label>.*))?"
)
_AMOUNT = r"only one|one or zero|zero or one|one or more|one or many|zero or more|zero or many|many|one|1"
_SPOKEN = re.compile(
    rf"(?P<from>{_NAME})\s+(?P<left>{_AMOUNT})\s+(?:optionally\s+)?to\s+(?P<right>{_AMOUNT})\s+(?P<to>{_NAME})"
    r"\s*(?::\s*(?P<label>.*))?",
    re.IGNORECASE,
)
_ATTRIBUTE = re.compile(
    r'(?P<type>[^\s"]+)\s+(?P<name>[^\s"]+)(?:\s+(?P<keys>[A-Za-z][^"]*?))?\s*(?P<comment>"[^"]*")?'
)
_IGNORED = re.compile(r"(?:direction|style|classDef|class|accTitle|accDescr|title)\b", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Problem:
    """Something on a line (counted from 1) that a reader cannot make sense of."""

    line: int
    what: str


@dataclass(frozen=True, slots=True)
class ParsedDiagram:
    """`lines` tells where an entity, by its written name, or an attribute, by both, was first seen."""

    diagram: Diagram
    lines: dict[str, int]
    problems: tuple[Problem, ...]
    declared: frozenset[str]


class _Reader:
    def __init__(self) -> None:
        self.entities: dict[str, list[Attribute]] = {}
        self.relationships: list[Relationship] = []
        self.lines: dict[str, int] = {}
        self.problems: list[Problem] = []
        self.declared: set[str] = set()
        self.open: str | None = None

    def line(self, number: int, text: str) -> None:
        if self.open is not None:
            self._in_block(number, text)
        elif relation := _RELATION.fullmatch(text) or _SPOKEN.fullmatch(text):
            self._relation(number, relation)
        elif _IGNORED.match(text):
            return
        elif entity := _ENTITY.fullmatch(text):
            name = self._seen(number, entity["name"])
            self.declared.add(name)
            self.open = name if entity["open"] and not entity["close"] else None
            if entity["inline"]:
                self._attribute(number, name, entity["inline"])
        else:
            self.problems.append(Problem(number, f"{text[:80]!r} is neither an entity nor a relationship"))

    def _in_block(self, number: int, text: str) -> None:
        inner, closed = (text[:-1].rstrip(), True) if text.endswith("}") else (text, False)
        if inner and self.open is not None:
            self._attribute(number, self.open, inner)
        if closed:
            self.open = None

    def _attribute(self, number: int, entity: str, text: str) -> None:
        found = _ATTRIBUTE.fullmatch(text)
        if not found:
            self.problems.append(Problem(number, f"attribute {text[:80]!r} needs a type and a name"))
            return
        given = [key for key in re.split(r"[,\s]+", found["keys"] or "") if key]
        for wrong in (key for key in given if key.upper() not in KEY_ORDER):
            self.problems.append(Problem(number, f"{wrong[:40]!r} is no key marker: use PK, FK or UK"))
        keys = tuple(key for key in KEY_ORDER if key in {mark.upper() for mark in given})
        self.entities[entity].append(Attribute(name=found["name"], type=found["type"], keys=keys))
        self.lines.setdefault(f"{entity}.{found['name']}", number)

    def _relation(self, number: int, found: re.Match[str]) -> None:
        from_, to = self._seen(number, found["from"]), self._seen(number, found["to"])
        many = (_is_many(found["left"]), _is_many(found["right"]))
        label = (found["label"] or "").strip().strip('"')
        relation = Relationship(from_=from_, to=to, cardinality=_CARDINALITY[many], label=label)
        self.relationships.append(relation)

    def _seen(self, number: int, written: str) -> str:
        name = written.strip('"')
        self.entities.setdefault(name, [])
        self.lines.setdefault(name, number)
        return name


_CARDINALITY: dict[tuple[bool, bool], Cardinality] = {
    (False, False): "1:1",
    (False, True): "1:N",
    (True, False): "N:1",
    (True, True): "N:M",
}


def _is_many(mark: str) -> bool:
    return any(sign in mark.lower() for sign in ("{", "}", "+", "many", "more"))


def parse(text: str) -> ParsedDiagram:
    """Read Mermaid ER text. Never raises: what is not understood is among the problems."""
    reader = _Reader()
    begun = False
    for number, statement in _statements(text):
        line = statement
        first, _, rest = line.partition(" ")
        if not begun and first == "erDiagram":
            begun, line = True, rest
        if line:
            reader.line(number, line)
    if not begun:
        reader.problems.insert(0, Problem(1, "there is no erDiagram line: begin the diagram with erDiagram"))
    if reader.open is not None:
        reader.problems.append(Problem(len(text.splitlines()), f"the block of {reader.open!r} is not closed"))
    diagram = Diagram(
        entities=tuple(Entity(name=name, attributes=tuple(own)) for name, own in reader.entities.items()),
        relationships=tuple(reader.relationships),
    )
    return ParsedDiagram(diagram, reader.lines, tuple(reader.problems), frozenset(reader.declared))


def _statements(text: str) -> list[tuple[int, str]]:
    """Lines with their numbers, without front matter, fences, comments and blank ones."""
    lines = [" ".join(line.split()) for line in text.split("\n")]
    start = 0
    if lines and lines[0] == "---" and "---" in lines[1:]:
        start = lines.index("---", 1) + 1
    numbered = enumerate(lines[start:], start + 1)
    return [(n, line) for n, line in numbered if line and not line.startswith(("%%", "```"))]
