"""Whether a state diagram makes sense as a machine: Mermaid's grammar accepts one that begins nowhere, states that
nothing leads to, and the same event leading to two of them."""

from collections import Counter
from collections.abc import Iterator

from hone_contracts.artifacts import ValidatorResult
from hone_generator.artifacts.diagrams.findings import (
    mixed,
    of_problems,
    overlong,
    too_large,
    undeclared,
    unnamed,
)
from hone_generator.artifacts.diagrams.graph import reached
from hone_generator.artifacts.diagrams.text import Read, shown
from hone_generator.artifacts.kind import Name, Outline
from hone_generator.artifacts.mermaid_state.ir import EDGE, Nesting, State, StateMachine, Transition
from hone_generator.validators.flaws import MISSING, ODD, WRONG, Flaw, at, judged

_MOST_STATES = 30
_DEEPEST = 3


class StateChecks:
    """A state diagram read, and what there is to say of it (``kind.Parsed``)."""

    def __init__(self, read: Read[StateMachine]) -> None:
        self.read, self.machine = read, read.diagram
        self.elements = len(self.machine.states) + len(self.machine.transitions)
        self.states = {state.id: state for state in self.machine.states}
        self.nesting = Nesting(self.machine)
        self.out: dict[str, list[Transition]] = {}
        for each in self.machine.transitions:
            self.out.setdefault(each.from_, []).append(each)
        self.begins: dict[str, list[str]] = {}  # where each composite, and "" the diagram, begins
        for each in self.out.get(EDGE, []):
            self.begins.setdefault(self.nesting.parent(each.to), []).append(each.to)

    def structure(self) -> ValidatorResult:
        return judged("structure", self._structure(), self.elements)

    def references(self) -> ValidatorResult:
        ends = [
            (end, f"transition {_arrow(each)}", self._at(each))
            for each in self.machine.transitions
            for end in dict.fromkeys((each.from_, each.to))
            if end != EDGE
        ]
        parents = [
            (state.parent, f"state {state.id}", at(self.read.lines, state.id))
            for state in self.machine.states
            if state.parent
        ]
        flaws = [*undeclared([*ends, *parents], self.states, "state", exact=self.read.exact)]
        flaws += [
            Flaw(WRONG, f"state {state.id} cannot lie in {state.parent}: give it another parent, or none")
            for state in self.machine.states
            if state.parent in self.states and self.nesting.parent(state.id) != state.parent
        ]
        return judged("references", flaws, self.elements)

    def style(self) -> ValidatorResult:
        return judged("style", self._style(), self.elements)

    def outline(self) -> Outline:
        lines = self.read.lines
        names = [
            Name(state.label, "state", lines.get(state.id))
            for state in self.machine.states
            if state.kind == "state"
        ]
        for each in self.machine.transitions:
            line = lines.get(_arrow(each))
            names += [Name(text, "action", line) for text in (each.event, each.action) if text]
            names += [Name(each.guard, "label", line)] if each.guard else []
        return Outline(tuple(names), scope="behaviour", numbers=True)

    def _at(self, each: Transition) -> str:
        return at(self.read.lines, _arrow(each))

    def _structure(self) -> Iterator[Flaw]:
        yield from of_problems(self.read.problems)
        if not self.machine.states:
            yield Flaw(WRONG, "the diagram is empty: add the states that the requirements name", fatal=True)
            return
        yield from self._begin_flaws()
        seen = self._reached()
        for state in self.machine.states:
            where = at(self.read.lines, state.id)
            if state.id not in seen:
                yield Flaw(WRONG, f"{where}{_state(state)} is not reached from [*]: add a transition to it")
            yield from self._exit_flaws(state, where)
        yield from self._transition_flaws()

    def _begin_flaws(self) -> Iterator[Flaw]:
        first = self.machine.states[0].id
        if not self.begins.get(""):
            yield Flaw(WRONG, f"the diagram begins nowhere: add a transition from [*], as in [*] --> {first}")
        for scope, states in self.begins.items():
            if len(set(states)) > 1:
                place = f"composite state {scope}" if scope else "the diagram"
                yield Flaw(
                    MISSING,
                    f"{place} begins in {len(set(states))} states ({', '.join(states[:5])}): choose one",
                )
        for composite in sorted(self.nesting.composites - self.begins.keys()):
            where = at(self.read.lines, composite)
            yield Flaw(
                MISSING,
                f"{where}composite state {composite} begins nowhere: add a transition from [*] inside",
            )

    def _reached(self) -> set[str]:
        """A composite is entered where it begins, or anywhere if it does not say; who is in a state is in those
        around it."""
        after: dict[str, list[str]] = {}
        for each in self.machine.transitions:
            if EDGE not in (each.from_, each.to):
                after.setdefault(each.from_, []).append(each.to)
        inside: dict[str, list[str]] = {}
        for state in self.machine.states:
            if parent := self.nesting.parent(state.id):
                after.setdefault(state.id, []).append(parent)
                inside.setdefault(parent, []).append(state.id)
        for composite, states in inside.items():
            after.setdefault(composite, []).extend(self.begins.get(composite) or states)
        return reached(self.begins.get("") or [self.machine.states[0].id], after)

    def _exit_flaws(self, state: State, where: str) -> Iterator[Flaw]:
        exits = self.out.get(state.id, [])
        if state.kind == "choice":
            if len(exits) < 2:
                yield Flaw(
                    WRONG, f"{where}{_state(state)} has {len(exits)} ways out: add one for each answer"
                )
            if any(not each.guard and not each.event for each in exits):
                yield Flaw(
                    MISSING,
                    f"{where}a transition leaves {_state(state)} without a guard: say when it is taken",
                )
        elif state.kind == "state" and state.id not in self.nesting.composites:
            around = [state.id, *self.nesting.above(state.id)]
            if not any(self.out.get(scope) for scope in around if scope):
                yield Flaw(
                    MISSING,
                    f"{where}{_state(state)} has no way out: add a transition, or {state.id} --> [*] if it is final",
                )

    def _transition_flaws(self) -> Iterator[Flaw]:
        for name, exits in self.out.items():
            if name == EDGE or (name in self.states and self.states[name].kind == "fork"):
                continue
            for (event, guard), count in Counter(
                (each.event.casefold(), each.guard.casefold()) for each in exits
            ).items():
                if count > 1:
                    words = f"{event} [{guard}]" if guard else event or "no event"
                    yield Flaw(
                        WRONG,
                        f"{self._at(exits[0])}{count} transitions leave {name} with {shown(words)}: give them "
                        "different events or guards, or keep one",
                    )
        for each in self.machine.transitions:
            if EDGE not in (each.from_, each.to) and self._crosses(each):
                yield Flaw(
                    MISSING,
                    f"{self._at(each)}{_arrow(each)} leads out of one composite state into another, which Mermaid "
                    "cannot draw: let it begin and end at the composite states",
                )

    def _crosses(self, each: Transition) -> bool:
        from_, to = self.nesting.parent(each.from_), self.nesting.parent(each.to)
        return bool(
            from_
            and to
            and from_ not in self.nesting.above(each.to)
            and to not in self.nesting.above(each.from_)
        )

    def _style(self) -> Iterator[Flaw]:
        yield from too_large(
            len(self.machine.states), _MOST_STATES, "states", "put phases into composite states"
        )
        labels = [state.label for state in self.machine.states if state.kind == "state"]
        yield from mixed(labels, "states")
        for state in self.machine.states:
            place = f"{at(self.read.lines, state.id)}state {state.id}"
            if state.kind == "state":
                yield from overlong(state.label, 40, place)
                yield from unnamed(state.label, place)
            if len(self.nesting.above(state.id)) > _DEEPEST + 1:
                yield Flaw(ODD, f"{place} lies more than {_DEEPEST} composite states deep: nest less")
        for each in self.machine.transitions:
            yield from overlong(each.event, 60, f"{self._at(each)}event of {_arrow(each)}")


def _arrow(each: Transition) -> str:
    return f"{each.from_}-->{each.to}"


def _state(state: State) -> str:
    return f"{state.kind} {shown(state.label)}"
