"""A flowchart as data."""

from collections.abc import Iterator
from typing import Literal

from pydantic import Field

from hone_generator.artifacts.diagrams.element import Diagram, Element

NodeKind = Literal["start", "end", "process", "decision", "io", "subprocess"]


class Node(Element):
    """``group`` is the id of the group it is drawn in, "" for none."""

    id: str
    label: str
    kind: NodeKind = "process"
    group: str = ""


class Edge(Element):
    from_: str = Field(alias="from")
    to: str
    label: str = ""


class Group(Element):
    id: str
    label: str


class Flowchart(Diagram):
    nodes: tuple[Node, ...] = ()
    edges: tuple[Edge, ...] = ()
    groups: tuple[Group, ...] = ()


def named(chart: Flowchart) -> Iterator[tuple[str, Element]]:
    for node in chart.nodes:
        yield f"node:{node.id}", node
    for edge in chart.edges:
        yield f"edge:{edge.from_}-{edge.to}", edge
    for group in chart.groups:
        yield f"group:{group.id}", group
