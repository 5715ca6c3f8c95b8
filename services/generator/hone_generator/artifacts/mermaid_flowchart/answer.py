"""What a model says of a flowchart, and how it is told to."""

from typing import Annotated, Any

from pydantic import Field

from hone_generator.artifacts.diagrams.answers import (
    Answer,
    Hearing,
    Quoted,
    Stated,
    Text,
    Word,
    choice,
    ids_of,
    items,
)
from hone_generator.artifacts.inverse import Quotes
from hone_generator.artifacts.mermaid_flowchart.ir import Edge, Flowchart, Group, Node, NodeKind

PROMPT_VERSION = (
    "mermaid_flowchart/1"  # stored with each attempt; raise it with every change of what is below
)

INSTRUCTIONS = """\
You read software requirements and draw the flow of work that they state, as one JSON document: nodes, edges, groups.
A node is one step: start, end, process (something is done), decision (a question with several answers), io (data \
comes in or goes out, a message is shown or sent), subprocess (a flow of its own). Its id is a short lower-case word \
such as check_stock; its label says in two to six words what is done ("Check stock") or asks ("In stock?").
There is exactly one start, and at least one end. Every node is reached from the start, and from every node a way \
leads to an end; a loop has a way out.
A decision has at least two edges out, each with another answer as its label ("yes", "no", "over 100 euros"). Every \
other node has exactly one edge out, an end none. Edges name nodes by their ids; their labels are "" except after \
decisions.
Draw what goes wrong too, where the text states it (rejected, out of stock, timed out), and keep its numbers.
groups are optional: who does the steps, or in which phase; a node names its group's id, or "".
State only what the text states. Invent no step; use the words of the text. At most 30 nodes.
evidence quotes the words that say so, verbatim from the text, at most one sentence; "" if none do.
First write in reasoning, in a few sentences, what sets the flow off, which decisions there are and how it ends; \
then the lists."""

_KINDS = {
    "begin": "start", "initial": "start", "stop": "end", "finish": "end", "final": "end", "terminal": "end",
    "task": "process", "action": "process", "step": "process", "activity": "process", "condition": "decision",
    "choice": "decision", "question": "decision", "gateway": "decision", "input": "io", "output": "io",
    "input/output": "io", "data": "io", "subroutine": "subprocess", "sub-process": "subprocess",
}  # fmt: skip


class StatedNode(Quoted):
    id: Word
    kind: Annotated[NodeKind, choice(NodeKind, "process", _KINDS)] = "process"
    label: Text = ""
    group: Word = ""


class StatedEdge(Quoted):
    from_: Word = Field(alias="from")
    to: Word
    label: Text = ""


class StatedGroup(Stated):
    id: Word
    label: Text = ""


class FlowchartAnswer(Answer):
    nodes: Annotated[list[StatedNode], *items(StatedNode, 60)] = Field(default_factory=list)
    edges: Annotated[list[StatedEdge], *items(StatedEdge, 120)] = Field(default_factory=list)
    groups: Annotated[list[StatedGroup], *items(StatedGroup, 12)] = Field(default_factory=list)


def chart_of(answer: FlowchartAnswer, hearing: Hearing) -> Flowchart:
    hearing.names("node", (node.id for node in answer.nodes))
    node_of = ids_of((node.id, node.label) for node in answer.nodes)
    group_of = ids_of((group.id, group.label) for group in answer.groups)
    return Flowchart(
        nodes=tuple(
            Node(
                id=node.id,
                label=node.label,
                kind=node.kind,
                group=group_of(node.group),
                evidence=node.evidence,
            )
            for node in answer.nodes
        ),
        edges=tuple(
            Edge(from_=node_of(edge.from_), to=node_of(edge.to), label=edge.label, evidence=edge.evidence)
            for edge in answer.edges
        ),
        groups=tuple(Group(id=group.id, label=group.label) for group in answer.groups),
    )


def stated(chart: Flowchart, quotes: Quotes) -> dict[str, Any]:
    """The answer that the chart is made of."""
    return {
        "nodes": [
            {
                "id": node.id,
                "kind": node.kind,
                "label": node.label,
                "group": node.group,
                "evidence": quotes.of_element("node", node.id),
            }
            for node in chart.nodes
        ],
        "edges": [
            {
                "from": edge.from_,
                "to": edge.to,
                "label": edge.label,
                "evidence": quotes.of_element("edge", f"{edge.from_}-{edge.to}"),
            }
            for edge in chart.edges
        ],
        "groups": [{"id": group.id, "label": group.label} for group in chart.groups],
    }
