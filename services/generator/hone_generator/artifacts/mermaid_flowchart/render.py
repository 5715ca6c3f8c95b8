"""Mermaid's flowchart notation from a chart: total, deterministic, valid for any names.

Start and end share a shape, as people draw them: the one that something leaves is the start.
"""

from collections.abc import Iterator

from hone_generator.artifacts.diagrams.element import first_of_each
from hone_generator.artifacts.diagrams.labels import identifiers, label
from hone_generator.artifacts.mermaid_flowchart.ir import Edge, Flowchart, Group, Node, NodeKind

SHAPES: dict[NodeKind, tuple[str, str]] = {
    "start": ("([", "])"),
    "end": ("([", "])"),
    "process": ("[", "]"),
    "decision": ("{", "}"),
    "io": ("[/", "/]"),
    "subprocess": ("[[", "]]"),
}


def settled(chart: Flowchart) -> Flowchart:
    """Ids and labels as Mermaid shows them. Of nodes with one id the first stays, and so with groups."""
    ends = [name for edge in chart.edges for name in (edge.from_, edge.to)]
    ids = identifiers([*(node.id for node in chart.nodes), *ends], "n")
    named_groups = [
        *(group.id for group in chart.groups),
        *(node.group for node in chart.nodes if node.group),
    ]
    group_ids = identifiers(named_groups, "g", ids.values())
    return Flowchart(
        nodes=tuple(
            node.model_copy(
                update={
                    "id": ids[node.id],
                    "label": label(node.label) or ids[node.id],
                    "group": group_ids.get(node.group, "") if node.group else "",
                }
            )
            for node in first_of_each(chart.nodes, lambda node: node.id)
        ),
        edges=tuple(
            Edge(from_=ids[edge.from_], to=ids[edge.to], label=label(edge.label), evidence=edge.evidence)
            for edge in chart.edges
        ),
        groups=tuple(
            Group(
                id=group_ids[group.id],
                label=label(group.label) or group_ids[group.id],
                evidence=group.evidence,
            )
            for group in first_of_each(chart.groups, lambda group: group.id)
        ),
    )


def render(chart: Flowchart) -> str:
    """The chart, settled, as Mermaid text."""
    lines = ["flowchart TD"]
    inside: dict[str, list[Node]] = {group.id: [] for group in chart.groups}
    for node in chart.nodes:
        inside.get(node.group, []).append(node)
    for group in chart.groups:
        lines.append(f'    subgraph {group.id}["{group.label}"]')
        lines += [f"        {_shape(node)}" for node in inside[group.id]]
        lines.append("    end")
    lines += [f"    {_shape(node)}" for node in chart.nodes if node.group not in inside]
    lines += [f"    {line}" for line in _edges(chart)]
    return "\n".join(lines) + "\n"


def _shape(node: Node) -> str:
    opening, closing = SHAPES[node.kind]
    return f'{node.id}{opening}"{node.label}"{closing}'


def _edges(chart: Flowchart) -> Iterator[str]:
    for edge in chart.edges:
        arrow = f'-->|"{edge.label}"|' if edge.label else "-->"
        yield f"{edge.from_} {arrow} {edge.to}"
