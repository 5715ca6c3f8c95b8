"""Diagrams of every type from thrown dice, hostile words first, and Mermaid's grammar for tests that throw many."""

import asyncio
import random
from collections.abc import Iterator
from contextlib import contextmanager
from typing import get_args

from erd_strategies import HOSTILE

from hone_generator.artifacts.mermaid_class.ir import (
    Attribute,
    Class,
    ClassDiagram,
    Operation,
    Parameter,
    Relation,
    RelationKind,
    Visibility,
)
from hone_generator.artifacts.mermaid_flowchart.ir import Edge, Flowchart, Group, Node, NodeKind
from hone_generator.artifacts.mermaid_sequence.ir import (
    Participant,
    ParticipantKind,
    Sequence,
    Step,
    StepKind,
)
from hone_generator.artifacts.mermaid_state.ir import EDGE, State, StateKind, StateMachine, Transition
from hone_generator.mermaid import MermaidParser, ParseResult
from hone_generator.mermaid import build as mermaid_build

# What each diagram's lexer looks for, beside what every one stumbles over.
WORDS = [
    *HOSTILE,
    "]", "[[", "]]", "[[fork]]", "[[choice]]", "([", "])", "((", "))", "{{", "}}", "[/", "/]", "@{",
    "@{ shape: x }", "a@b", "a@{", "-->", "---", "-.->", "==>", "->>", "-->>", "-)", "-x", "--x", "--o",
    "x--x", "|yes|", "&", "a & b", ":::", ":", "::", "a: b", "09:00", "wrap: x", "nowrap:y", ":wrap:z",
    "<br/>", "<br>", "as", "A as B", "over", "note", "note over A", "Note right of x: y", "end note", "end",
    "END", "else", "alt", "opt", "loop x", "par", "and", "critical", "option", "break", "rect rgb(0,0,0)",
    "box", "participant", "actor", "create", "destroy", "activate", "deactivate", "autonumber", "links",
    "link", "properties", "details", "title x", "title: x", "+", "-", "+x", "-x", "graph", "graph TD",
    "flowchart", "flowchart LR", "click", "click a", "call", "call x()", "href", "linkStyle", "interpolate",
    "_self", "_blank", "v", "^", "x", "o", "u", "stateDiagram", "stateDiagram-v2", "sequenceDiagram",
    "classDiagram", "state", "state x", "scale", "scale 10 width", "hide empty description", "[*]",
    "<<fork>>", "<<choice>>", "<<interface>>", "namespace", "namespace x", "cssClass", "callback", "~T~",
    "List<int>", "List~int~", "Map<String, List<int>>", "a<b", "a>b", "()", "()--", "f(x)", "f(x) int",
    "+name", "#name", "~name", "name$", "name*", "*", "<|--", "*--", "o--", "..>", "..|>", "..", "0..*",
    "1..*", "[a-z]", "/ do", "e / a", "e [g] / a", " / ", "/", "$$x$$", "$$", "%%{", "}%%", "--- ",
    "---\na: b\n---", "fa:fa-car", "`text`", "n1", "n2", "n1_2", "g1", "s1", "p1", "Class1", "Class2",
    "\u3000", "a\xa0b", "ﬁ", "Ａ", "１", "…", "･", "㎏",
]  # fmt: skip


class Grammar:
    """The parser for tests that cannot be coroutines."""

    def __init__(self) -> None:
        self._runner = asyncio.Runner()
        self._parser = MermaidParser(time_limit_s=20)

    def verdict(self, text: str) -> ParseResult:
        return self._runner.run(self._parser.parse(text))

    def close(self) -> None:
        self._runner.run(self._parser.aclose())
        self._runner.close()


@contextmanager
def started_grammar() -> Iterator[Grammar]:
    assert mermaid_build.main([]) == 0
    grammar = Grammar()
    try:
        yield grammar
    finally:
        grammar.close()


def word(dice: random.Random) -> str:
    """A hostile word, several run together, any characters at all, or a harmless one."""
    share = dice.random()
    if share < 0.15:
        return "".join(chr(dice.randrange(0x3000)) for _ in range(dice.randint(1, 12)))
    if share < 0.35:
        return dice.choice(["order", "Check stock", "LibraryCard", "due date", "paid", "Größe", "in stock?"])
    return dice.choice(["", " ", "\n"]).join(dice.choices(WORDS, k=dice.choice([1, 1, 2, 4])))


def flowchart(dice: random.Random) -> Flowchart:
    ids = [word(dice) for _ in range(dice.randint(0, 7))]
    groups = [word(dice) for _ in range(dice.randint(0, 3))]
    ends = [*ids, word(dice)]
    return Flowchart(
        nodes=tuple(
            Node(
                id=name,
                label=word(dice),
                kind=dice.choice(get_args(NodeKind)),
                group=dice.choice(["", *groups, word(dice)]),
            )
            for name in ids
        ),
        edges=tuple(
            Edge(from_=dice.choice(ends), to=dice.choice(ends), label=dice.choice(["", word(dice)]))
            for _ in range(dice.randint(0, 8))
        ),
        groups=tuple(Group(id=name, label=word(dice)) for name in groups),
    )


def state(dice: random.Random) -> StateMachine:
    ids = [word(dice) for _ in range(dice.randint(0, 7))]
    ends = [*ids, word(dice), EDGE, EDGE]
    return StateMachine(
        states=tuple(
            State(
                id=name,
                label=word(dice),
                kind=dice.choice(["state", "state", *get_args(StateKind)]),
                parent=dice.choice(["", "", *ids, word(dice)]),
            )
            for name in ids
        ),
        transitions=tuple(
            Transition(
                from_=dice.choice(ends),
                to=dice.choice(ends),
                event=dice.choice(["", word(dice)]),
                guard=dice.choice(["", word(dice)]),
                action=dice.choice(["", word(dice)]),
            )
            for _ in range(dice.randint(0, 8))
        ),
    )


def sequence(dice: random.Random) -> Sequence:
    ids = [word(dice) for _ in range(dice.randint(0, 5))]
    ends = [*ids, word(dice), ""]
    return Sequence(
        participants=tuple(
            Participant(id=name, label=word(dice), kind=dice.choice(get_args(ParticipantKind)))
            for name in ids
        ),
        steps=tuple(
            Step(
                kind=dice.choice(["call", "call", "end", "end", *get_args(StepKind)]),
                from_=dice.choice(ends),
                to=dice.choice(ends),
                text=dice.choice(["", word(dice)]),
            )
            for _ in range(dice.randint(0, 14))
        ),
    )


def class_diagram(dice: random.Random) -> ClassDiagram:
    names = [word(dice) for _ in range(dice.randint(0, 5))]
    ends = [*names, word(dice)]
    return ClassDiagram(
        classes=tuple(_class(dice, name) for name in names),
        relations=tuple(
            Relation(
                from_=dice.choice(ends),
                to=dice.choice(ends),
                kind=dice.choice(get_args(RelationKind)),
                from_many=dice.choice(["", "1", "0..*", word(dice)]),
                to_many=dice.choice(["", "1", "0..*", word(dice)]),
                label=dice.choice(["", word(dice)]),
            )
            for _ in range(dice.randint(0, 5))
        ),
    )


def _class(dice: random.Random, name: str) -> Class:
    seen = get_args(Visibility)
    return Class(
        name=name,
        stereotype=dice.choice(["", "", "interface", word(dice)]),
        attributes=tuple(
            Attribute(name=word(dice), type=dice.choice(["", word(dice)]), visibility=dice.choice(seen))
            for _ in range(dice.randint(0, 3))
        ),
        operations=tuple(
            Operation(
                name=word(dice),
                parameters=tuple(
                    Parameter(name=word(dice), type=dice.choice(["", word(dice)]))
                    for _ in range(dice.randint(0, 3))
                ),
                returns=dice.choice(["", word(dice)]),
                visibility=dice.choice(seen),
            )
            for _ in range(dice.randint(0, 2))
        ),
    )
