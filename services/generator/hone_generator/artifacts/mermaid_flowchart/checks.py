"""Whether a flowchart makes sense as a flow of work: Mermaid's grammar accepts one without a start, with steps that
nothing leads to, and decisions with one answer."""

from collections import Counter
from collections.abc import Iterator

from hone_contracts.artifacts import ValidatorResult
from hone_generator.artifacts.diagrams.findings import (
    of_problems,
    overlong,
    too_large,
    undeclared,
    unnamed,
)
from hone_generator.artifacts.diagrams.graph import reached, successors
from hone_generator.artifacts.diagrams.text import Read, shown
from hone_generator.artifacts.kind import Name, Outline, Role
from hone_generator.artifacts.mermaid_flowchart.ir import Edge, Flowchart, Node, NodeKind
from hone_generator.validators.flaws import MISSING, ODD, WRONG, Flaw, at, judged

_MOST_NODES = 40
_ROLES: dict[NodeKind, Role] = {
    "start": "label", "end": "label", "process": "action", "decision": "action", "io": "action",
    "subprocess": "action",
}  # fmt: skip
# What no text needs to say.
_CONVENTIONAL = frozenset({"start", "begin", "end", "stop", "finish", "finished", "done"})


class FlowchartChecks:
    """A flowchart read, and what there is to say of it (``kind.Parsed``)."""

    def __init__(self, read: Read[Flowchart]) -> None:
        self.read, self.chart = read, read.diagram
        self.elements = len(self.chart.nodes) + len(self.chart.edges)
        self.nodes = {node.id: node for node in self.chart.nodes}
        self.has_end = any(node.kind == "end" for node in self.chart.nodes)
        self.out: dict[str, list[Edge]] = {}
        for edge in self.chart.edges:
            self.out.setdefault(edge.from_, []).append(edge)

    def structure(self) -> ValidatorResult:
        return judged("structure", self._structure(), self.elements)

    def references(self) -> ValidatorResult:
        ends = [
            (end, f"edge {edge.from_} --> {edge.to}", self._where(edge.from_))
            for edge in self.chart.edges
            for end in dict.fromkeys((edge.from_, edge.to))
        ]
        flaws = [*undeclared(ends, self.nodes, "node", exact=self.read.exact)]
        groups = [
            (node.group, f"node {node.id}", self._where(node.id)) for node in self.chart.nodes if node.group
        ]
        flaws += undeclared(
            groups, {group.id: group for group in self.chart.groups}, "group", exact=self.read.exact
        )
        return judged("references", flaws, self.elements)

    def style(self) -> ValidatorResult:
        return judged("style", self._style(), self.elements)

    def outline(self) -> Outline:
        names = [
            Name(
                node.label,
                _ROLES[node.kind],
                self.read.lines.get(node.id),
                derived=node.kind in ("start", "end") and node.label.lower() in _CONVENTIONAL,
            )
            for node in self.chart.nodes
        ]
        names += [
            Name(edge.label, "label", self.read.lines.get(edge.from_))
            for edge in self.chart.edges
            if edge.label
        ]
        names += [Name(group.label, "label", self.read.lines.get(group.id)) for group in self.chart.groups]
        return Outline(tuple(names), scope="behaviour", numbers=True)

    def _where(self, name: str) -> str:
        return at(self.read.lines, name)

    def _structure(self) -> Iterator[Flaw]:
        yield from of_problems(self.read.problems)
        if not self.chart.nodes:
            yield Flaw(WRONG, "the chart is empty: add the steps that the requirements name", fatal=True)
            return
        starts = self._starts()
        yield from self._start_flaws(starts)
        yield from self._way_flaws(starts)
        for node in self.chart.nodes:
            yield from self._exit_flaws(node)
        counts = Counter((edge.from_, edge.to, edge.label) for edge in self.chart.edges)
        for (from_, to, _), count in counts.items():
            if count > 1:
                yield Flaw(
                    ODD, f"{self._where(from_)}edge {from_} --> {to} is drawn {count} times: draw it once"
                )

    def _starts(self) -> list[str]:
        """The nodes marked as start, else those that nothing leads to."""
        marked = [node.id for node in self.chart.nodes if node.kind == "start"]
        entered = {edge.to for edge in self.chart.edges if edge.to != edge.from_}
        first = [node.id for node in self.chart.nodes if node.id not in entered and self.out.get(node.id)]
        return marked or first or [self.chart.nodes[0].id]

    def _start_flaws(self, starts: list[str]) -> Iterator[Flaw]:
        marked = [node.id for node in self.chart.nodes if node.kind == "start"]
        if not marked:
            yield Flaw(MISSING, f"no start is marked: add one before {starts[0]}, drawn as start([Start])")
        if len(marked) > 1:
            yield Flaw(
                WRONG,
                f"{self._where(marked[1])}there are {len(marked)} starts ({', '.join(marked[:5])}): keep one",
            )
        if not self.has_end:
            yield Flaw(MISSING, "no end is marked: lead each last step to an end, drawn as done([Done])")

    def _way_flaws(self, starts: list[str]) -> Iterator[Flaw]:
        forth = successors((edge.from_, edge.to) for edge in self.chart.edges)
        back = successors((edge.to, edge.from_) for edge in self.chart.edges)
        forward = reached(starts, forth)
        ends = [node.id for node in self.chart.nodes if node.kind == "end" or not self.out.get(node.id)]
        backward = reached(ends, back)
        for node in self.chart.nodes:
            if node.id not in forth and node.id not in back and len(self.nodes) > 1:
                yield Flaw(
                    WRONG, f"{self._where(node.id)}{_node(node)} has no edges: join it or leave it out"
                )
            elif node.id not in forward:
                yield Flaw(
                    WRONG,
                    f"{self._where(node.id)}{_node(node)} is not reached from the start: lead an edge to it",
                )
            elif node.id not in backward:
                yield Flaw(
                    WRONG, f"{self._where(node.id)}from {_node(node)} no way leads to an end: add a way out"
                )

    def _exit_flaws(self, node: Node) -> Iterator[Flaw]:
        exits, where = self.out.get(node.id, []), self._where(node.id)
        if node.kind == "decision":
            yield from _decision_flaws(node, exits, where)
        elif node.kind == "end":
            if exits:
                yield Flaw(
                    MISSING,
                    f"{where}{_node(node)} is an end, but an edge leaves it: end there or make it a step",
                )
        elif not exits and self.has_end:
            yield Flaw(MISSING, f"{where}{_node(node)} leads nowhere: add its next step, or make it an end")
        elif len({edge.to for edge in exits}) > 1:
            yield Flaw(
                ODD, f"{where}{_node(node)} has {len(exits)} edges out: make it a decision, or keep one"
            )

    def _style(self) -> Iterator[Flaw]:
        yield from too_large(len(self.chart.nodes), _MOST_NODES, "nodes", "put parts into a subprocess")
        for node in self.chart.nodes:
            where = self._where(node.id)
            yield from overlong(node.label, 60, f"{where}node {node.id}")
            yield from unnamed(node.label, f"{where}node {node.id}")
            if node.kind == "decision" and not node.label.rstrip().endswith(("?", "\uff1f", "…")):
                yield Flaw(
                    ODD, f"{where}decision {shown(node.label)} is no question: write it as one, with a ?"
                )
        for edge in self.chart.edges:
            yield from overlong(edge.label, 40, f"{self._where(edge.from_)}edge {edge.from_} --> {edge.to}")


def _decision_flaws(node: Node, exits: list[Edge], where: str) -> Iterator[Flaw]:
    if len(exits) < 2:
        yield Flaw(
            WRONG,
            f"{where}decision {shown(node.label)} has {len(exits)} edges out: add one for each of its answers",
        )
    for edge in exits if len(exits) > 1 else []:
        if not edge.label:
            yield Flaw(
                MISSING,
                f"{where}edge {edge.from_} --> {edge.to} leaves a decision without its answer: label it",
            )
    answers = Counter(edge.label.casefold() for edge in exits if edge.label)
    for answer, count in answers.items():
        if count > 1:
            yield Flaw(
                WRONG,
                f"{where}decision {shown(node.label)} has the answer {shown(answer)} {count} times: tell them apart",
            )


def _node(node: Node) -> str:
    return f"{node.kind if node.kind in ('start', 'end') else 'step'} {shown(node.label)}"
