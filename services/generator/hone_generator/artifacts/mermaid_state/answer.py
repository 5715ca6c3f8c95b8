"""What a model says of a state diagram, and how it is told to."""

from typing import Annotated, Any

from pydantic import Field

from hone_generator.artifacts.diagrams.answers import (
    Answer,
    Hearing,
    Quoted,
    Text,
    Word,
    choice,
    ids_of,
    items,
)
from hone_generator.artifacts.inverse import Quotes
from hone_generator.artifacts.mermaid_state.ir import EDGE, State, StateKind, StateMachine, Transition

PROMPT_VERSION = "mermaid_state/1"  # stored with each attempt; raise it with every change of what is below

INSTRUCTIONS = """\
You read software requirements and write down the states that they state for one thing (an order, a ticket, a \
device) and what takes it from one to another, as one JSON document: states and transitions.
A state is a condition that lasts ("Waiting for payment", "Shipped"), not an action; its label is an adjective or a \
participle of one to four words, its id the same as one lower-case word such as waiting_for_payment.
kind is state; choice for a point where only guards decide; fork and join where things go on side by side.
parent is the id of the composite state that it is a part of, or "". Nest only where the text says that a state has \
phases of its own, and at most two deep.
A transition names states by their ids. from is [*] for the state that the thing begins in, to is [*] from a state \
in which its life ends. There is exactly one transition from [*] in the diagram, and one in each composite state.
event is what happens ("payment received"), guard the condition under which ("amount over 100"), action what is \
done then ("send receipt"); each "" where the text has none. No two transitions from a state have the same event and \
guard. A choice has at least two transitions out, each with a guard ("otherwise" for the last).
Every state is reached from [*], and has a way out unless its life ends there. Do not lead a transition from inside \
one composite state into another: begin it at the composite.
State only what the text states. Invent no state; use the words of the text and keep its numbers. At most 20 states.
evidence quotes the words that say so, verbatim from the text, at most one sentence; "" if none do.
First write in reasoning, in a few sentences, whose states these are, where it begins, what moves it and where it \
ends; then the lists."""

_KINDS = {
    "simple": "state",
    "composite": "state",
    "normal": "state",
    "decision": "choice",
    "parallel": "fork",
}
_EDGES = frozenset({"", "*", "[*]", "start", "initial", "end", "final"})


class StatedState(Quoted):
    id: Word
    label: Text = ""
    kind: Annotated[StateKind, choice(StateKind, "state", _KINDS)] = "state"
    parent: Word = ""


class StatedTransition(Quoted):
    from_: Word = Field(alias="from")
    to: Word
    event: Text = ""
    guard: Text = ""
    action: Text = ""


class StateAnswer(Answer):
    states: Annotated[list[StatedState], *items(StatedState, 50)] = Field(default_factory=list)
    transitions: Annotated[list[StatedTransition], *items(StatedTransition, 120)] = Field(
        default_factory=list
    )


def machine_of(answer: StateAnswer, hearing: Hearing) -> StateMachine:
    known = hearing.names("state", (state.id for state in answer.states))
    state_of = ids_of((state.id, state.label) for state in answer.states)

    def end_of(name: str) -> str:
        """Start and end in other words, unless a state is called so."""
        found = state_of(name)
        return EDGE if found not in known and name.strip().lower() in _EDGES else found

    return StateMachine(
        states=tuple(
            State(
                id=each.id,
                label=each.label,
                kind=each.kind,
                parent=state_of(each.parent),
                evidence=each.evidence,
            )
            for each in answer.states
            if each.id != EDGE
        ),
        transitions=tuple(
            Transition(
                from_=end_of(each.from_),
                to=end_of(each.to),
                event=each.event,
                guard=each.guard.strip().removeprefix("[").removesuffix("]"),
                action=each.action.strip().removeprefix("/"),
                evidence=each.evidence,
            )
            for each in answer.transitions
        ),
    )


def stated(machine: StateMachine, quotes: Quotes) -> dict[str, Any]:
    """The answer that the machine is made of."""
    return {
        "states": [
            {
                "id": each.id,
                "label": each.label,
                "kind": each.kind,
                "parent": each.parent,
                "evidence": quotes.of_element("state", each.id),
            }
            for each in machine.states
        ],
        "transitions": [
            {
                "from": each.from_,
                "to": each.to,
                "event": each.event,
                "guard": each.guard,
                "action": each.action,
                "evidence": quotes.of_element("transition", f"{each.from_}-{each.to}"),
            }
            for each in machine.transitions
        ],
    }
