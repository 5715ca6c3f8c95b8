"""Mermaid flowchart text read back into a chart, tolerantly: for checks of a file that came from anywhere.

Whether Mermaid accepts the text is not decided here; a line that is not understood is reported and passed over. What
a chart has no place for (styles, clicks, directions, how a line is drawn) is passed over in silence. Start and end
share a shape: what something leaves is the start.
"""

import re
from collections.abc import Iterator

from hone_generator.artifacts.diagrams.text import Problem, Read, parted, shown, statements, unquoted
from hone_generator.artifacts.mermaid_flowchart.ir import Edge, Flowchart, Group, Node, NodeKind

HEADER = re.compile(r"(?:flowchart|graph)(?:-elk)?(?:\s+(?:TB|TD|BT|RL|LR))?(?=\s*(?:;|$))")

_SHAPES: tuple[tuple[str, re.Pattern[str], NodeKind], ...] = (
    ("(((", re.compile(r"\)\)\)"), "end"),
    ("([", re.compile(r"\]\)"), "end"),
    ("((", re.compile(r"\)\)"), "end"),
    ("[[", re.compile(r"\]\]"), "subprocess"),
    ("[(", re.compile(r"\)\]"), "io"),
    ("[/", re.compile(r"[/\\]\]"), "io"),
    ("[\\", re.compile(r"[/\\]\]"), "io"),
    ("{{", re.compile(r"\}\}"), "process"),
    ("{", re.compile(r"\}"), "decision"),
    ("[", re.compile(r"\]"), "process"),
    ("(", re.compile(r"\)"), "process"),
    (">", re.compile(r"\]"), "process"),
)
# The shapes of the newer notation, `id@{ shape: diam, label: "…" }`, by the words that people use.
_NAMED_SHAPES: dict[str, NodeKind] = {
    "diam": "decision", "diamond": "decision", "decision": "decision", "question": "decision", "stadium": "end",
    "pill": "end", "terminal": "end", "circle": "end", "circ": "end", "sm-circ": "end", "start": "end",
    "small-circle": "end", "dbl-circ": "end", "double-circle": "end", "fr-circ": "end", "framed-circle": "end",
    "stop": "end", "subproc": "subprocess", "fr-rect": "subprocess", "subprocess": "subprocess",
    "subroutine": "subprocess", "framed-rectangle": "subprocess", "lean-r": "io", "lean-l": "io", "in-out": "io",
    "out-in": "io", "cyl": "io", "db": "io", "database": "io", "cylinder": "io", "doc": "io", "document": "io",
}  # fmt: skip
_ID = re.compile(r"[\w.](?:[\w.*!?$'+/]|-(?![-.>]))*")
_LINK = re.compile(r"\s*(?:\w{1,40}@)?(?:[xo<]?(?:-{2,}[->xo]|={2,}[=>xo]|-?\.+-[>xo]?)|~{3,})\s*")
_OPENING = re.compile(r"\s*(?:\w{1,40}@)?[xo<]?(?P<line>--|==|-\.)\s*(?=[^\s>-])")
_CLOSING = {
    "--": re.compile(r"-{2,}[->xo]"),
    "==": re.compile(r"={2,}[=>xo]"),
    "-.": re.compile(r"\.+-[>xo]?"),
}
_IGNORED = re.compile(r"(?:direction|style|classDef|class|click|linkStyle)\b")
_SUBGRAPH = re.compile(r'subgraph\b\s*(?:(?P<id>[^\s\["]+)\s*\[(?P<title>.*)\]|(?P<name>.*))')
_CLASS = re.compile(r"\s*:::[\w-]+")
_AND, _SPACE, _PIPE, _BRACE = (re.compile(mark) for mark in (r"\s*&\s*", r"\s*", r"\|", r"\}"))
_BREAK = re.compile(r"<br\s*/?>")
_MOST_JOINED = 20  # `a & b --> c & d`: each of these with each of those
_MOST_EDGES = 2_000
_LONGEST_STRING_LINES = 12


class _Unread(Exception):
    """What follows on this line is nothing known."""


class _Line:
    """A statement read from left to right; each place is looked at a bounded number of times."""

    def __init__(self, text: str, reader: "_Reader", number: int) -> None:
        self.text, self.reader, self.number, self.at = text, reader, number, 0

    def read(self) -> None:
        left = self._nodes()
        while self.at < len(self.text):
            label = self._link()
            right = self._nodes()
            for from_ in left:
                self.reader.joined(from_, right, label)
            left = right

    def _nodes(self) -> list[str]:
        found = [self._node()]
        while ampersand := _AND.match(self.text, self.at):
            self.at = ampersand.end()
            found.append(self._node())
        return found[:_MOST_JOINED]

    def _node(self) -> str:
        match = _ID.match(self.text, self.at)
        if match is None:
            raise _Unread
        self.at, name = match.end(), match[0]
        label, kind = self._shape()
        if styled := _CLASS.match(self.text, self.at):
            self.at = styled.end()
        self.reader.seen(self.number, name, label, kind)
        return name

    def _shape(self) -> tuple[str | None, NodeKind]:
        if self.text.startswith("@{", self.at):
            inner = self._until(2, _BRACE)
            label = re.search(r'label\s*:\s*"([^"]*)"', inner)
            shape = re.search(r"shape\s*:\s*([\w-]+)", inner)
            return (label[1] if label else None), _NAMED_SHAPES.get(shape[1] if shape else "", "process")
        for opening, closing, kind in _SHAPES:
            if self.text.startswith(opening, self.at):
                return unquoted(unquoted(self._until(len(opening), closing))), kind
        return None, "process"

    def _until(self, skip: int, closing: re.Pattern[str]) -> str:
        """The text up to the first closing mark outside quotes."""
        start = after = self.at + skip
        if self.text.startswith('"', start):
            after = self.text.find('"', start + 1)
        end = closing.search(self.text, after) if after >= 0 else None
        if end is None:
            raise _Unread
        self.at = end.end()
        return self.text[start : end.start()]

    def _link(self) -> str:
        """The label of the link that stands here, "" for none."""
        if link := _LINK.match(self.text, self.at):
            self.at = link.end()
            label = self._until(1, _PIPE) if self.text.startswith("|", self.at) else ""
        else:
            opening = _OPENING.match(self.text, self.at)
            closing = opening and _CLOSING[opening["line"]].search(self.text, opening.end())
            if opening is None or closing is None:
                raise _Unread
            label = self.text[opening.end() : closing.start()]
            self.at = closing.end()
        if space := _SPACE.match(self.text, self.at):
            self.at = space.end()
        return _BREAK.sub(" ", unquoted(label))


class _Reader:
    def __init__(self) -> None:
        self.nodes: dict[str, Node] = {}
        self.edges: list[Edge] = []
        self.groups: dict[str, Group] = {}
        self.open: list[str] = []
        self.bare: dict[str, str] = {}
        self.lines: dict[str, int] = {}
        self.problems: list[Problem] = []

    def seen(self, number: int, name: str, label: str | None, kind: NodeKind) -> None:
        self.lines.setdefault(name, number)
        group = self.open[-1] if self.open else ""
        if label is None:
            self.bare.setdefault(name, group)
            return
        label = _BREAK.sub(" ", label)
        known = self.nodes.get(name)
        if known is not None and label != known.label:
            self.problems.append(
                Problem(
                    number,
                    f"node {name} is drawn again with another label: give the second one an id of its own",
                )
            )
        else:
            self.nodes[name] = Node(
                id=name, label=label or name, kind=kind, group=group or self.bare.get(name, "")
            )

    def joined(self, from_: str, ends: list[str], label: str) -> None:
        if len(self.edges) < _MOST_EDGES:
            self.edges.extend(Edge(from_=from_, to=to, label=label) for to in ends)

    def line(self, number: int, text: str) -> None:
        if text == "end":
            if self.open:
                self.open.pop()
            else:
                self.problems.append(Problem(number, "this end closes no subgraph: leave it out"))
        elif text.startswith("subgraph") and (found := _SUBGRAPH.fullmatch(text)):
            self._subgraph(number, found)
        elif not _IGNORED.match(text):
            self._statement(number, text)

    def _subgraph(self, number: int, found: re.Match[str]) -> None:
        written = unquoted(found["id"] or found["name"] or "")
        name = written or f"subgraph{number}"
        title = unquoted(found["title"]) if found["title"] is not None else written
        self.groups.setdefault(name, Group(id=name, label=title or name))
        self.lines.setdefault(name, number)
        self.open.append(name)

    def _statement(self, number: int, text: str) -> None:
        try:
            _Line(text, self, number).read()
        except _Unread:
            self.problems.append(Problem(number, f"{shown(text)} is neither a node nor an edge"))


def parse(text: str) -> Read[Flowchart]:
    """Read Mermaid flowchart text. Never raises: what is not understood is among the problems."""
    reader = _Reader()
    lines, reader.problems = statements(text, HEADER)
    for number, line in _with_whole_strings(lines):
        for statement in filter(None, parted(line, quotes=True)):
            reader.line(number, statement)
    last = lines[-1][0] if lines else 1
    if len(reader.edges) >= _MOST_EDGES:
        reader.problems.append(
            Problem(last, f"only the first {_MOST_EDGES} edges were read: draw several charts")
        )
    if reader.open:
        reader.problems.append(Problem(last, f"subgraph {reader.open[-1]} is not closed: add end"))
    return Read(_chart(reader), reader.lines, tuple(reader.problems))


def _with_whole_strings(lines: list[tuple[int, str]]) -> Iterator[tuple[int, str]]:
    """A string may go over several lines; these are joined, unless it does not end soon."""
    place = 0
    while place < len(lines):
        number, line = lines[place]
        place += 1
        if line.count('"') % 2:
            following = [text for _, text in lines[place : place + _LONGEST_STRING_LINES]]
            end = next((count for count, text in enumerate(following, 1) if text.count('"') % 2), 0)
            line = " ".join([line, *following[:end]])
            place += end
        yield number, line


def _chart(reader: _Reader) -> Flowchart:
    nodes = dict(reader.nodes)
    if not nodes:  # a sketch, whose nodes are those that its edges join
        nodes = {name: Node(id=name, label=name, group=group) for name, group in reader.bare.items()}
        nodes = {name: node for name, node in nodes.items() if name not in reader.groups}
    edges = tuple(_between_nodes(reader, list(nodes.values())))
    left = {edge.from_ for edge in edges}
    kinds = (
        node.model_copy(update={"kind": "start"}) if node.kind == "end" and node.id in left else node
        for node in nodes.values()
    )
    return Flowchart(nodes=tuple(kinds), edges=edges, groups=tuple(reader.groups.values()))


def _between_nodes(reader: _Reader, nodes: list[Node]) -> Iterator[Edge]:
    """An edge to a group leads to its first node, one from a group comes from its last."""
    last = {node.group: node.id for node in nodes}
    first = {node.group: node.id for node in reversed(nodes)}
    for edge in reader.edges:
        from_ = last.get(edge.from_, "") if edge.from_ in reader.groups else edge.from_
        to = first.get(edge.to, "") if edge.to in reader.groups else edge.to
        if from_ and to:
            yield edge if (from_, to) == (edge.from_, edge.to) else Edge(from_=from_, to=to, label=edge.label)
