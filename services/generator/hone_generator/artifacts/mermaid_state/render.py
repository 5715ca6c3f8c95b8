"""Mermaid's state notation from a machine: total, deterministic, valid for any names.

Each state is declared where it lies, each transition is written where both of its ends are seen, and its label reads
`event [guard] / action`.
"""

import re

from hone_generator.artifacts.diagrams.element import first_of_each
from hone_generator.artifacts.diagrams.labels import identifiers, label
from hone_generator.artifacts.diagrams.margin import margin
from hone_generator.artifacts.mermaid_state.ir import EDGE, Nesting, State, StateMachine, Transition

# A colon ends the text of a transition; brackets in it hold the guard.
_IN_TRANSITIONS = {":": "\u2236", "[": "(", "]": ")", "{": "(", "}": ")"}
_IN_STATES = {"[": "(", "]": ")"}  # `[[fork]]` is one even inside quotes
_SLASHES = re.compile(r"(?:^|(?<= ))/(?= |$)")


def settled(machine: StateMachine) -> StateMachine:
    """Ids and labels as Mermaid shows them. Of states with one id the first stays; a transition from the start to
    the end says nothing."""
    ends = [name for each in machine.transitions for name in (each.from_, each.to)]
    parents = [state.parent for state in machine.states if state.parent]
    ids = identifiers([*(state.id for state in machine.states), *ends, *parents], "s") | {EDGE: EDGE}
    states = first_of_each(machine.states, lambda state: state.id)
    return StateMachine(
        states=tuple(
            state.model_copy(
                update={
                    "id": ids[state.id],
                    "label": label(state.label, _IN_STATES) or ids[state.id],
                    "parent": ids[state.parent] if state.parent else "",
                }
            )
            for state in states
            if state.id != EDGE
        ),
        transitions=tuple(
            _transition(each, ids) for each in machine.transitions if (each.from_, each.to) != (EDGE, EDGE)
        ),
    )


def _transition(each: Transition, ids: dict[str, str]) -> Transition:
    return each.model_copy(
        update={
            "from_": ids[each.from_],
            "to": ids[each.to],
            "event": _words(each.event),
            "guard": _words(each.guard),
            "action": _words(each.action),
        }
    )


def _words(text: str) -> str:
    """A slash between spaces would begin the action."""
    return _SLASHES.sub("\u2215", label(text, _IN_TRANSITIONS))


def render(machine: StateMachine) -> str:
    """The machine, settled, as Mermaid text."""
    nesting = Nesting(machine)
    inside: dict[str, list[State]] = {}
    for state in machine.states:
        inside.setdefault(nesting.parent(state.id), []).append(state)
    drawn: dict[str, list[Transition]] = {}
    for each in machine.transitions:
        drawn.setdefault(nesting.scope(each), []).append(each)
    lines = ["stateDiagram-v2"]
    # What is open: the states still to be written of each composite, from the outside in.
    open_ = [("", list(reversed(inside.get("", []))))]
    while open_:
        name, left = open_[-1]
        inner = margin(len(open_))
        if left:
            state = left.pop()
            lines += [inner + line for line in _declared(state)]
            if state.id in inside:
                lines.append(f"{inner}state {state.id} {{")
                open_.append((state.id, list(reversed(inside[state.id]))))
        else:
            lines += [inner + _line(each) for each in drawn.get(name, ())]
            open_.pop()
            if open_:
                lines.append(margin(len(open_)) + "}")
    return "\n".join(lines) + "\n"


def _declared(state: State) -> list[str]:
    if state.kind != "state":
        return [f"state {state.id} <<{state.kind}>>"]
    return [f'state "{state.label}" as {state.id}']


def _line(each: Transition) -> str:
    words = label_of(each)
    return f"{each.from_} --> {each.to}" + (f" : {words}" if words else "")


def label_of(each: Transition) -> str:
    guard = f"[{each.guard}]" if each.guard else ""
    action = f"/ {each.action}" if each.action else ""
    return " ".join(part for part in (each.event, guard, action) if part)
