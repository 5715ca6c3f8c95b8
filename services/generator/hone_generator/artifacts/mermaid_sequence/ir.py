"""A sequence diagram as data."""

from collections.abc import Iterable, Iterator
from typing import Literal

from pydantic import Field

from hone_generator.artifacts.diagrams.element import Diagram, Element

ParticipantKind = Literal["participant", "actor"]
StepKind = Literal[
    "call", "async", "reply", "note", "alt", "opt", "loop", "par", "critical", "break", "else", "end"
]

MESSAGES: frozenset[StepKind] = frozenset({"call", "async", "reply"})
SECTIONS: dict[StepKind, str] = {
    "alt": "else",
    "par": "and",
    "critical": "option",
}  # blocks that have several
BLOCKS: frozenset[StepKind] = frozenset({"alt", "opt", "loop", "par", "critical", "break"})


class Participant(Element):
    id: str
    label: str
    kind: ParticipantKind = "participant"


class Step(Element):
    """One line: a message, a note over ``from`` (to ``to``), or the begin, next section or end of a block. Blocks lie
    in each other as their begins and ends do; ``text`` is what is said, or the condition."""

    kind: StepKind
    from_: str = Field(default="", alias="from")
    to: str = ""
    text: str = ""


class Sequence(Diagram):
    participants: tuple[Participant, ...] = ()
    steps: tuple[Step, ...] = ()


def named(sequence: Sequence) -> Iterator[tuple[str, Element]]:
    for participant in sequence.participants:
        yield f"participant:{participant.id}", participant
    for number, step in enumerate(sequence.steps, 1):
        if step.kind in MESSAGES:
            yield f"message:{number}:{step.from_}-{step.to}", step
        elif step.kind != "end":
            yield f"{step.kind}:{number}", step


def balanced(steps: Iterable[Step]) -> list[Step]:
    """The steps with every block closed, and without ends and sections that belong to none."""
    found: list[Step] = []
    open_: list[StepKind] = []
    for step in steps:
        if step.kind in BLOCKS:
            open_.append(step.kind)
        elif step.kind == "end":
            if not open_:
                continue
            open_.pop()
        elif step.kind == "else" and (not open_ or open_[-1] not in SECTIONS):
            continue
        found.append(step)
    return [*found, *(Step(kind="end") for _ in open_)]
