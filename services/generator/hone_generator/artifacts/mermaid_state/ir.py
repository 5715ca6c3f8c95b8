"""A state diagram as data."""

from collections.abc import Iterator
from typing import Literal

from pydantic import Field

from hone_generator.artifacts.diagrams.element import Diagram, Element

StateKind = Literal["state", "choice", "fork", "join"]
_DEEPEST = 100  # composites around a state that are looked at
EDGE = "[*]"  # the start as the source of a transition, the end as its target


class State(Element):
    """``parent`` is the id of the composite state that it lies in, "" for none."""

    id: str
    label: str
    kind: StateKind = "state"
    parent: str = ""


class Transition(Element):
    """``[*]`` as ``from`` is the start, as ``to`` the end, of the composite that the other end lies in."""

    from_: str = Field(alias="from")
    to: str
    event: str = ""
    guard: str = ""
    action: str = ""


class StateMachine(Diagram):
    states: tuple[State, ...] = ()
    transitions: tuple[Transition, ...] = ()


def named(machine: StateMachine) -> Iterator[tuple[str, Element]]:
    for state in machine.states:
        yield f"state:{state.id}", state
    for transition in machine.transitions:
        yield f"transition:{transition.from_}-{transition.to}", transition


class Nesting:
    """Which composite each state lies in. A parent that is not there, or that lies in its own child, is none."""

    def __init__(self, machine: StateMachine) -> None:
        self._parents: dict[str, str] = {}
        stated = {state.id: state.parent for state in machine.states if state.kind == "state"}
        for state in machine.states:
            parent = state.parent
            if parent in stated and state.id not in self._chain(parent):
                self._parents[state.id] = parent
        self.composites = frozenset(self._parents.values())

    def parent(self, state: str) -> str:
        return self._parents.get(state, "")

    def above(self, state: str) -> list[str]:
        """The composites around a state, the nearest first, and "" for the diagram last."""
        return [*self._chain(self.parent(state)), ""]

    def scope(self, transition: Transition) -> str:
        """The innermost composite that both ends lie in: where the transition is drawn."""
        if EDGE in (transition.from_, transition.to):
            return self.parent(transition.to if transition.from_ == EDGE else transition.from_)
        around = set(self.above(transition.to))
        return next(scope for scope in self.above(transition.from_) if scope in around)

    def _chain(self, state: str) -> list[str]:
        found: list[str] = []
        while state and len(found) < _DEEPEST:
            found.append(state)
            state = self._parents.get(state, "")
        return found
