"""Mermaid class text read back into a diagram, tolerantly: for checks of a file that came from anywhere.

Whether Mermaid accepts the text is not decided here; a line that is not understood is reported and passed over.
Notes, styles, clicks and namespaces are passed over in silence.
"""

import re
from dataclasses import dataclass, field

from hone_generator.artifacts.diagrams.text import Problem, Read, shown, statements
from hone_generator.artifacts.mermaid_class.ir import (
    Attribute,
    Class,
    ClassDiagram,
    Operation,
    Relation,
    RelationKind,
)
from hone_generator.artifacts.mermaid_class.members import read_member

HEADER = re.compile(r"classDiagram(?:-v2)?(?=\s|;|$)")

_NAME = r"(?:`[^`]+`|\w+(?:[.-]\w+)*(?:~[^~\s]*~+)?)"
_RELATION = re.compile(
    rf'(?P<from>{_NAME})\s*(?:"(?P<from_many>[^"]*)"\s*)?(?P<left><\||\*|o(?=--|\.\.)|<|\(\))?(?P<line>--|\.\.)'
    rf'(?P<right>\|>|\*|o(?=[\s"])|>|\(\))?\s*(?:"(?P<to_many>[^"]*)"\s*)?(?P<to>{_NAME})\s*(?::\s*(?P<label>.*))?'
)
_CLASS = re.compile(
    rf'class\s+(?P<name>{_NAME})\s*(?:\[\s*(?:"(?P<label>[^"]*)"|(?P<bare>[^"\]]*))\s*\])?\s*(?::::\s*[\w-]+)?\s*'
    r"(?:<<(?P<stereotype>[^<>]*)>>\s*)?(?:(?P<open>\{)\s*(?P<inner>[^{}]*)(?P<close>\})?)?"
)
_MEMBER = re.compile(rf"(?P<name>{_NAME})\s*:(?!:)\s*(?P<member>.+)")
_STEREOTYPE = re.compile(rf"<<(?P<stereotype>[^<>]*)>>\s*(?P<name>{_NAME})")
_IGNORED = re.compile(r"(?:direction|note|style|classDef|cssClass|class|click|link|callback)\b")
_INHERITS: dict[str, RelationKind] = {"--": "inheritance", "..": "realization"}
_WHOLES: dict[str, RelationKind] = {"*": "composition", "o": "aggregation"}
_KNOWS: dict[str, RelationKind] = {"--": "association", "..": "dependency"}


@dataclass(slots=True)
class _Class:
    """A class while more of it may follow. ``name`` is its label, if it has one."""

    name: str
    stereotype: str = ""
    attributes: list[Attribute] = field(default_factory=list)
    operations: list[Operation] = field(default_factory=list)

    def done(self) -> Class:
        return Class(
            name=self.name,
            stereotype=self.stereotype,
            attributes=tuple(self.attributes),
            operations=tuple(self.operations),
        )


class _Reader:
    def __init__(self) -> None:
        self.classes: dict[str, _Class] = {}  # by identifier
        self.relations: list[Relation] = []
        self.lines: dict[str, int] = {}
        self.problems: list[Problem] = []
        self.open: _Class | None = None
        self.namespaces = 0

    def line(self, number: int, text: str) -> None:
        if self.open is not None:
            self._in_body(number, self.open, text)
        elif text == "}" and self.namespaces:
            self.namespaces -= 1
        elif text.startswith("namespace ") and text.endswith("{"):
            self.namespaces += 1
        elif found := _CLASS.fullmatch(text):
            self._class(number, found)
        elif found := _RELATION.fullmatch(text):
            self._relation(number, found)
        elif found := _STEREOTYPE.fullmatch(text):
            self._seen(number, found["name"]).stereotype = found["stereotype"].strip()
        elif not _IGNORED.match(text):
            if found := _MEMBER.fullmatch(text):
                self._member(number, self._seen(number, found["name"]), found["member"])
            elif found := re.fullmatch(_NAME, text):
                self._seen(number, text)
            else:
                self.problems.append(
                    Problem(number, f"{shown(text)} is neither a class, a member nor a relation")
                )

    def _class(self, number: int, found: re.Match[str]) -> None:
        own = self._seen(number, found["name"])
        if label := found["label"] or found["bare"]:
            own.name = label.strip()
            self.lines.setdefault(own.name, number)
        if found["stereotype"]:
            own.stereotype = found["stereotype"].strip()
        self.open = own if found["open"] and not found["close"] else None
        if found["inner"] and found["inner"].strip():
            self._member(number, own, found["inner"].strip())

    def _in_body(self, number: int, own: _Class, text: str) -> None:
        inner, closed = (text[:-1].rstrip(), True) if text.endswith("}") else (text, False)
        if inner:
            self._member(number, own, inner)
        if closed:
            self.open = None

    def _member(self, number: int, own: _Class, text: str) -> None:
        if found := re.fullmatch(r"<<([^<>]*)>>", text):
            own.stereotype = found[1].strip()
            return
        member = read_member(text)
        if member is None:
            self.problems.append(Problem(number, f"{shown(text)} is neither an attribute nor an operation"))
            return
        if member.operation is not None:
            own.operations.append(member.operation)
        if member.attribute is not None:
            own.attributes.append(member.attribute)
        self.lines.setdefault(f"{own.name}.{member.name}", number)

    def _relation(self, number: int, found: re.Match[str]) -> None:
        from_, to = _id(found["from"]), _id(found["to"])
        self.lines.setdefault(from_, number)
        self.lines.setdefault(to, number)
        kind, turned = _kind(found["left"] or "", found["line"], found["right"] or "")
        many = (found["from_many"] or "").strip(), (found["to_many"] or "").strip()
        if turned:
            from_, to, many = to, from_, many[::-1]
        label = (found["label"] or "").strip()
        self.relations.append(
            Relation(from_=from_, to=to, kind=kind, from_many=many[0], to_many=many[1], label=label)
        )

    def _seen(self, number: int, written: str) -> _Class:
        name = _id(written)
        self.lines.setdefault(name, number)
        return self.classes.setdefault(name, _Class(name))


def _id(written: str) -> str:
    return written.strip("`").partition("~")[0]


def _kind(left: str, line: str, right: str) -> tuple[RelationKind, bool]:
    """The kind, and whether it reads from right to left."""
    for mark, kind in _WHOLES.items():
        if mark in (left, right):
            return kind, left != mark
    if left == "<|" or right == "|>":
        return _INHERITS[line], right != "|>"
    return _KNOWS[line], left == "<" and right != ">"


def parse(text: str) -> Read[ClassDiagram]:
    """Read Mermaid class text. Never raises: what is not understood is among the problems."""
    reader = _Reader()
    lines, reader.problems = statements(text, HEADER)
    for number, line in lines:
        reader.line(number, line.rstrip(";"))
    last = lines[-1][0] if lines else 1
    if reader.open is not None:
        reader.problems.append(
            Problem(last, f"the body of {reader.open.name} is not closed: add a line with }}")
        )
    classes = [own.done() for own in reader.classes.values()]
    if not classes:  # a sketch, whose classes are those that its relations join
        ends = dict.fromkeys(name for relation in reader.relations for name in (relation.from_, relation.to))
        classes = [Class(name=name) for name in ends]
    names = {id_: own.name for id_, own in reader.classes.items()}
    relations = tuple(
        relation.model_copy(
            update={
                "from_": names.get(relation.from_, relation.from_),
                "to": names.get(relation.to, relation.to),
            }
        )
        for relation in reader.relations
    )
    return Read(
        ClassDiagram(classes=tuple(classes), relations=relations), reader.lines, tuple(reader.problems)
    )
