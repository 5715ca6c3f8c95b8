"""Mermaid text from anywhere: what people write is read, and no text breaks a reader or keeps it long."""

import time
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from mermaid_diagrams import WORDS

from hone_generator.artifacts.diagrams.kind import Notation
from hone_generator.artifacts.mermaid_class.kind import MermaidClass
from hone_generator.artifacts.mermaid_class.parse import parse as parse_class
from hone_generator.artifacts.mermaid_flowchart.kind import MERMAID_FLOWCHART
from hone_generator.artifacts.mermaid_flowchart.parse import parse as parse_flowchart
from hone_generator.artifacts.mermaid_sequence.kind import MERMAID_SEQUENCE
from hone_generator.artifacts.mermaid_sequence.parse import parse as parse_sequence
from hone_generator.artifacts.mermaid_state.kind import MERMAID_STATE
from hone_generator.artifacts.mermaid_state.parse import parse as parse_state

NOTATIONS: dict[str, Notation[Any, Any]] = {
    "classDiagram": MermaidClass().notation,
    "flowchart TD": MERMAID_FLOWCHART.notation,
    "sequenceDiagram": MERMAID_SEQUENCE.notation,
    "stateDiagram-v2": MERMAID_STATE.notation,
}
LONG_BYTES = 30_000
# Each is repeated into one long text: what a reader with a quadratic step would choke on.
TIRING = [
    "-", "a-->", "a --> b", "a[", "a{", "[/x/]-->", "a[/x", "(", '"', "a & ", "a\n", "alt\n", "end\n",
    "state a {\n", "a:", "a::", ":::", "{\n", "}\n", "<<", "~", "A~", "List~", "x(", "x)", "-" * 50 + "\n",
    ".", "A..", "A --|> B\n", "class A {\n", "+x: y\n", "a->>b: c\n", "a->>", "note over a,",
    "participant a as ", "as ", " as", "[", "subgraph x\n", ";", "a;", "#a;", "|", "-- x ", "== ", "-. ",
    "[*] --> ", "/ ", " / ", "[x] ", "%%\n", "---\n", "```\n", "accDescr {\n", "class A{\n+x\n}\n",
    'state "x" as y\n', "a --> b : x [y] / z\n", "loop x\na->>b: c\nend\n", "@{", 'a@{ label: "',
]  # fmt: skip


@pytest.mark.parametrize("header", NOTATIONS)
@settings(max_examples=150, deadline=None)
@given(parts=st.lists(st.one_of(st.sampled_from([*WORDS, *TIRING]), st.text(max_size=8)), max_size=25))
def test_every_text_is_read_and_judged(header: str, parts: list[str]) -> None:
    notation = NOTATIONS[header]
    for text in ("".join(parts), f"{header}\n" + " ".join(parts), f"{header}\n" + "\n".join(parts)):
        read = notation.parse(text)
        parsed = notation.checks(read)
        for result in (parsed.structure(), parsed.references(), parsed.style()):
            assert 0 <= result.score <= 100
        parsed.outline()
        settled = notation.settled(read.diagram)
        assert notation.parse(notation.render(settled)).problems == ()


@pytest.mark.parametrize("header", NOTATIONS)
def test_long_hostile_text_is_read_and_judged_in_a_moment(header: str) -> None:
    notation = NOTATIONS[header]
    slow = []
    for piece in TIRING:
        text = f"{header}\n" + piece * (LONG_BYTES // len(piece))
        started = time.process_time()
        parsed = notation.checks(notation.parse(text))
        for look in (parsed.structure, parsed.references, parsed.style, parsed.outline):
            look()
        if (
            took_s := time.process_time() - started
        ) > 5:  # a second where it is linear, minutes where it is not
            slow.append((piece, took_s))
    assert not slow


def test_a_flowchart_as_people_write_it_is_read() -> None:
    read = parse_flowchart(
        """---
title: Orders
---
graph LR; A([Start])-->B["Check<br/>stock"]; B --> C{In stock?}
  %% a comment
  C -->|yes| D[/Print label/] --> F
  C -- "no, sorry" --> E[(Backlog)]:::red
  E -.-> F((Done))
  D & E ==> G[[Bill]]
  subgraph shop [The shop]
    direction TB
    B
    D
  end
  G@{ shape: stadium, label: "Paid" }
  style A fill:#f9f
  click A "http://x" "tip; top"
  H("a; b") --> A
"""
    )
    assert not [each for each in read.problems if "another label" not in each.what]
    nodes = {node.id: node for node in read.diagram.nodes}
    assert {name: node.kind for name, node in nodes.items()} == {
        "A": "start", "B": "process", "C": "decision", "D": "io", "E": "io", "F": "end", "G": "subprocess",
        "H": "process",
    }  # fmt: skip
    assert nodes["B"].label == "Check stock"
    assert nodes["H"].label == "a; b"
    assert [(edge.from_, edge.to, edge.label) for edge in read.diagram.edges] == [
        ("A", "B", ""), ("B", "C", ""), ("C", "D", "yes"), ("D", "F", ""), ("C", "E", "no, sorry"), ("E", "F", ""),
        ("D", "G", ""), ("E", "G", ""), ("H", "A", ""),
    ]  # fmt: skip
    assert read.lines["C"] == 4
    assert [problem.line for problem in read.problems] == [15]
    assert [group.label for group in read.diagram.groups] == ["The shop"]


def test_strings_over_several_lines_comments_and_codes_are_read() -> None:
    chart = parse_flowchart(
        'graph TD\na["one\n two"] e1@--> b["`three\n four`"] %% five\nb --> c["#quot;x#quot; ; y"]'
    )
    assert not chart.problems
    assert [node.label for node in chart.diagram.nodes] == ["one two", "three four", "#quot;x#quot; ; y"]
    broken = parse_flowchart('graph TD\na["one\nb[Two] --> c[Three]')
    assert [node.id for node in broken.diagram.nodes] == ["b", "c"]
    assert [problem.line for problem in broken.problems] == [2]
    sequence = parse_sequence(
        "sequenceDiagram\nA->>B: I #9829; you; B-->>A: and\nA\\\\--B: back %% six"
    ).diagram
    assert [(step.kind, step.text) for step in sequence.steps] == [
        ("call", "I #9829; you"), ("reply", "and"), ("reply", "back"),
    ]  # fmt: skip
    machine = parse_state('stateDiagram\nstate "One" as a\n{\n[*] --> b\n}\nb --> [*] %% seven').diagram
    assert [(state.id, state.parent) for state in machine.states] == [("a", ""), ("b", "a")]


def test_an_edge_to_a_subgraph_leads_into_it() -> None:
    chart = parse_flowchart(
        "flowchart TD\n s([Start]) --> g\n subgraph g\n a[One] --> b[Two]\n end\n g --> e([End])"
    ).diagram
    assert [(edge.from_, edge.to) for edge in chart.edges] == [("s", "a"), ("a", "b"), ("b", "e")]


def test_a_sequence_as_people_write_it_is_read() -> None:
    read = parse_sequence(
        """sequenceDiagram
    autonumber
    participant A as Web shop
    actor B
    box Aqua Backend
    participant DB
    end
    B->>+A: order; Note over A,DB: both
    alt in stock
        A->>+DB: reserve
        DB-->>-A: done
    else sold out
        A-)B: sorry
        rect rgb(0,0,0)
        loop every day
            A->>A: look again
        end
        end
    end
    par mail
        A-->>B: receipt
    and bill
        A->>DB: store
    end
    activate A
    note right of DB: slow
    create participant P as Parcel
    destroy P
"""
    )
    assert not read.problems
    assert [(each.id, each.label, each.kind) for each in read.diagram.participants] == [
        ("A", "Web shop", "participant"), ("B", "B", "actor"), ("DB", "DB", "participant"),
        ("P", "Parcel", "participant"),
    ]  # fmt: skip
    assert [(step.kind, step.from_, step.to, step.text) for step in read.diagram.steps] == [
        ("call", "B", "A", "order"), ("note", "A", "DB", "both"), ("alt", "", "", "in stock"),
        ("call", "A", "DB", "reserve"), ("reply", "DB", "A", "done"), ("else", "", "", "sold out"),
        ("async", "A", "B", "sorry"), ("loop", "", "", "every day"), ("call", "A", "A", "look again"),
        ("end", "", "", ""), ("end", "", "", ""), ("par", "", "", "mail"), ("reply", "A", "B", "receipt"),
        ("else", "", "", "bill"), ("call", "A", "DB", "store"), ("end", "", "", ""), ("note", "DB", "", "slow"),
    ]  # fmt: skip
    assert read.lines["step 1"] == 8


def test_a_state_diagram_as_people_write_it_is_read() -> None:
    read = parse_state(
        """stateDiagram-v2
    direction LR
    [*] --> Idle
    Idle --> Running : start [fuel > 0] / light on
    Idle --> Broken : fails
    state "Is running" as Running {
        [*] --> Slow
        Slow --> Fast : press / beep
        --
        [*] --> Cold
    }
    Running --> Idle : stop
    state check <<choice>>
    Broken --> check
    check --> Idle : [repaired]
    check --> [*] : / scrap
    note right of Idle
        waits: for ever
    end note
    note left of Broken : sad
    Idle : waiting for a key
    classDef red fill:#f00
    class Broken red
"""
    )
    assert not read.problems
    states = {state.id: (state.label, state.kind, state.parent) for state in read.diagram.states}
    assert states == {
        "Idle": ("waiting for a key", "state", ""), "Running": ("Is running", "state", ""),
        "Slow": ("Slow", "state", "Running"), "Fast": ("Fast", "state", "Running"),
        "Cold": ("Cold", "state", "Running"), "Broken": ("Broken", "state", ""), "check": ("check", "choice", ""),
    }  # fmt: skip
    labels = [(each.from_, each.to, each.event, each.guard, each.action) for each in read.diagram.transitions]
    assert labels[1] == ("Idle", "Running", "start", "fuel > 0", "light on")
    assert labels[4] == ("Slow", "Fast", "press", "", "beep")
    assert labels[-2:] == [("check", "Idle", "", "repaired", ""), ("check", "[*]", "", "", "scrap")]
    assert read.lines["Idle-->Broken"] == 5


def test_a_class_diagram_as_people_write_it_is_read() -> None:
    read = parse_class(
        """classDiagram
    direction RL
    Animal <|-- Duck : kind
    Shape <|.. Square
    Whole *-- "1..*" Part : has
    Part "2" --o Owner
    A <-- B
    C .. D
    E -- F
    note for Duck "can fly"
    Animal : +int age
    Animal : +isMammal() bool
    class Duck["A duck"] {
        +String beak-colour
        -swim(int depth, List~Map~String, int~~ other) void
        #quack(loud: bool = true): String$
        ~eggs: List~Egg~
    }
    <<interface>> Shape
    namespace Farm {
        class Square { +side: float }
        class Part:::red
    }
    class Whole
    class Owner
    class Kind {
        <<enumeration>>
        WILD
    }
"""
    )
    assert not read.problems
    relations = [
        (each.from_, each.kind, each.to, each.from_many, each.to_many) for each in read.diagram.relations
    ]
    assert relations == [
        ("A duck", "inheritance", "Animal", "", ""), ("Square", "realization", "Shape", "", ""),
        ("Whole", "composition", "Part", "", "1..*"), ("Owner", "aggregation", "Part", "", "2"),
        ("B", "association", "A", "", ""), ("C", "dependency", "D", "", ""), ("E", "association", "F", "", ""),
    ]  # fmt: skip
    classes = {each.name: each for each in read.diagram.classes}
    assert [(own.name, own.type, own.visibility) for own in classes["Animal"].attributes] == [
        ("age", "int", "+")
    ]
    duck = classes["A duck"]
    assert [(own.name, own.type) for own in duck.attributes] == [
        ("beak-colour", "String"),
        ("eggs", "List<Egg>"),
    ]
    swim, quack = duck.operations
    assert [(each.name, each.type) for each in swim.parameters] == [
        ("depth", "int"), ("other", "List<Map<String, int>>"),
    ]  # fmt: skip
    assert (quack.name, quack.returns, quack.visibility) == ("quack", "String", "#")
    assert (classes["Shape"].stereotype, classes["Kind"].stereotype) == ("interface", "enumeration")
    assert read.lines["A duck.swim"] == 15


@pytest.mark.parametrize(
    ("header", "line", "words"),
    [
        ("flowchart TD", "a[One --> b", "neither a node nor an edge"),
        ("flowchart TD", "end", "closes no subgraph"),
        ("flowchart TD", "subgraph x", "not closed"),
        ("sequenceDiagram", "hello world", "neither a participant"),
        ("sequenceDiagram", "a->>b", "says nothing"),
        ("sequenceDiagram", "else x", "stands in no alt"),
        ("sequenceDiagram", "end", "closes no block"),
        ("sequenceDiagram", "opt x", "not closed"),
        ("stateDiagram-v2", "a --> b --> c", "neither a state nor a transition"),
        ("stateDiagram-v2", "}", "closes nothing"),
        ("stateDiagram-v2", "state a {", "not closed"),
        ("classDiagram", "A => B", "neither a class"),
        ("classDiagram", "class A {", "not closed"),
        ("classDiagram", "A : f((x)", "neither an attribute nor an operation"),
    ],
)
def test_what_is_not_understood_is_told_with_its_line(header: str, line: str, words: str) -> None:
    problems = NOTATIONS[header].parse(f"{header}\n\n{line}").problems
    assert [problem.line for problem in problems] == [3]
    assert words in problems[0].what


@pytest.mark.parametrize("header", NOTATIONS)
def test_front_matter_directives_descriptions_and_fences_are_passed_over(header: str) -> None:
    around = '---\ntitle: x\n---\n```mermaid\n%%{init: {\n"theme": "dark"\n}}%%\n%% a comment\n\r\n'
    described = "accTitle: x\naccDescr {\n a --> b\n more }\n"
    assert not NOTATIONS[header].parse(f"{around}{header}\n{described}```\n").problems


@pytest.mark.parametrize("header", NOTATIONS)
def test_text_without_a_diagram_says_how_to_begin_one(header: str) -> None:
    problem = NOTATIONS[header].parse("Here you are!").problems[-1]
    assert problem.fatal
    assert header.partition(" ")[0].removesuffix("-v2") in problem.what
