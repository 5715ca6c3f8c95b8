"""What the renderers make of hostile words, Mermaid's own grammar accepts, and our readers read back."""

import random
from collections.abc import Callable, Iterator
from typing import Any

import mermaid_diagrams
import pytest
from mermaid_diagrams import Grammar, started_grammar

from hone_contracts.artifacts import ArtifactType
from hone_generator.artifacts.diagrams.element import Diagram
from hone_generator.artifacts.diagrams.kind import Notation
from hone_generator.artifacts.diagrams.labels import identifiers
from hone_generator.artifacts.mermaid_class.ir import Class, ClassDiagram
from hone_generator.artifacts.mermaid_class.kind import MermaidClass
from hone_generator.artifacts.mermaid_flowchart.ir import Flowchart, Node
from hone_generator.artifacts.mermaid_flowchart.kind import MERMAID_FLOWCHART
from hone_generator.artifacts.mermaid_sequence.ir import Participant, Sequence, balanced
from hone_generator.artifacts.mermaid_sequence.kind import MERMAID_SEQUENCE
from hone_generator.artifacts.mermaid_state.ir import EDGE, Nesting, State, StateMachine
from hone_generator.artifacts.mermaid_state.kind import MERMAID_STATE
from hone_generator.validators.mermaid_syntax import DIAGRAM_TYPES

THROWN = 500
Throw = Callable[[random.Random], Diagram]


@pytest.fixture(scope="module")
def grammar() -> Iterator[Grammar]:
    with started_grammar() as grammar:
        yield grammar


def class_as_read(diagram: ClassDiagram) -> ClassDiagram:
    """An end that is no class has nothing but its identifier; a diagram without classes has those that it joins."""
    ends = [name for each in diagram.relations for name in (each.from_, each.to)]
    ids = identifiers([*(each.name for each in diagram.classes), *ends], "Class")
    declared = {each.name for each in diagram.classes}
    name = {end: end if end in declared else ids[end] for end in ends}
    relations = tuple(
        each.model_copy(update={"from_": name[each.from_], "to": name[each.to]}) for each in diagram.relations
    )
    sketched = tuple(Class(name=each) for each in dict.fromkeys(name[end] for end in ends))
    classes = diagram.classes or sketched
    return ClassDiagram(classes=classes, relations=relations)


def flowchart_as_read(chart: Flowchart) -> Flowchart:
    """Grouped nodes come first, a group that is not there is none, and of start and end the start is left."""
    groups = [group.id for group in chart.groups]
    left = {edge.from_ for edge in chart.edges}
    nodes = [
        node.model_copy(
            update={
                "group": node.group if node.group in groups else "",
                "kind": node.kind
                if node.kind not in ("start", "end")
                else "start"
                if node.id in left
                else "end",
            }
        )
        for node in chart.nodes
    ]
    if not nodes:
        ends = dict.fromkeys(name for edge in chart.edges for name in (edge.from_, edge.to))
        nodes = [Node(id=name, label=name) for name in ends]
    order = {name: place for place, name in enumerate(groups)}
    nodes.sort(key=lambda node: order.get(node.group, len(order)))
    return chart.model_copy(update={"nodes": tuple(nodes)})


def sequence_as_read(sequence: Sequence) -> Sequence:
    """Every block has its end; without participants those who speak are."""
    steps = tuple(balanced(sequence.steps))
    speaking = dict.fromkeys(name for step in steps for name in (step.from_, step.to) if name)
    participants = sequence.participants or tuple(Participant(id=name, label=name) for name in speaking)
    return Sequence(participants=participants, steps=steps)


def state_as_read(machine: StateMachine) -> tuple[Any, ...]:
    """Who is used is a state, a choice has no label, a parent that cannot be is none; order does not count, since
    states are written where they lie."""
    nesting = Nesting(machine)
    states = {
        each.id: each.model_copy(
            update={
                "parent": nesting.parent(each.id),
                "label": each.label if each.kind == "state" else each.id,
            }
        )
        for each in machine.states
    }
    for each in machine.transitions:
        for end in (each.from_, each.to):
            if end != EDGE and end not in states:
                states[end] = State(id=end, label=end, parent=nesting.scope(each))
    return _sorted(states.values()), _sorted(machine.transitions)


def _sorted(elements: Any) -> list[str]:
    return sorted(each.model_dump_json() for each in elements)


def same(diagram: Any) -> Any:
    return diagram


CASES: list[tuple[Notation[Any, Any], Throw, Callable[[Any], Any], Callable[[Any], Any]]] = [
    (MermaidClass().notation, mermaid_diagrams.class_diagram, class_as_read, same),
    (MERMAID_FLOWCHART.notation, mermaid_diagrams.flowchart, flowchart_as_read, same),
    (MERMAID_SEQUENCE.notation, mermaid_diagrams.sequence, sequence_as_read, same),
    (MERMAID_STATE.notation, mermaid_diagrams.state, state_as_read, state_as_read),
]
NAMES = ["mermaid_class", "mermaid_flowchart", "mermaid_sequence", "mermaid_state"]


@pytest.mark.parametrize(("case", "name"), list(zip(CASES, NAMES, strict=True)), ids=NAMES)
def test_diagrams_of_hostile_words_settle_once_are_accepted_by_mermaid_and_read_back(
    grammar: Grammar, case: tuple[Any, ...], name: str
) -> None:
    notation, throw, as_read, comparable = case
    for seed in range(THROWN):
        diagram = notation.settled(throw(random.Random(seed)))
        assert notation.settled(diagram) == diagram
        text = notation.render(diagram)
        verdict = grammar.verdict(text)
        assert verdict.diagram_type in DIAGRAM_TYPES[ArtifactType(name)], f"{verdict.fault} in\n{text}"
        read = notation.parse(text)
        assert not read.problems, f"{read.problems} in\n{text}"
        assert comparable(read.diagram) == as_read(diagram), text


def test_a_box_is_accepted_though_no_browser_knows_its_colour(grammar: Grammar) -> None:
    text = "sequenceDiagram\n  box Aqua Backend\n  participant A\n  end\n  A->>A: work\n"
    assert grammar.verdict(text).diagram_type == "sequence"
    assert not MERMAID_SEQUENCE.notation.parse(text).problems
