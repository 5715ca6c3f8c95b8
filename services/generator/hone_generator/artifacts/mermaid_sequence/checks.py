"""Whether a sequence diagram makes sense as a conversation: Mermaid's grammar accepts one in which nobody speaks,
replies that answer nothing, and cases in which nothing happens."""

from collections.abc import Iterator
from dataclasses import dataclass

from hone_contracts.artifacts import ValidatorResult
from hone_generator.artifacts.diagrams.findings import (
    mixed,
    of_problems,
    overlong,
    too_large,
    undeclared,
    unnamed,
)
from hone_generator.artifacts.diagrams.text import Read, shown
from hone_generator.artifacts.kind import Name, Outline, Role
from hone_generator.artifacts.mermaid_sequence.ir import BLOCKS, MESSAGES, SECTIONS, Sequence, Step, balanced
from hone_generator.text.naming import identity
from hone_generator.validators.flaws import MISSING, ODD, WRONG, Flaw, at, judged

_MOST_PARTICIPANTS = 12
_MOST_MESSAGES = 40
_DEEPEST = 3


@dataclass(slots=True)
class _Block:
    """A block that is open: the number of its first step, and how much was said before its last case."""

    begin: Step
    number: int
    before: int
    cases: int = 1


class SequenceChecks:
    """A sequence diagram read, and what there is to say of it (``kind.Parsed``)."""

    def __init__(self, read: Read[Sequence]) -> None:
        self.read, self.sequence = read, read.diagram
        self.steps = list(enumerate(self.sequence.steps, 1))
        self.messages = [(number, step) for number, step in self.steps if step.kind in MESSAGES]
        self.elements = len(self.sequence.participants) + len(self.messages)
        self.participants = {each.id: each for each in self.sequence.participants}

    def structure(self) -> ValidatorResult:
        return judged("structure", self._structure(), self.elements)

    def references(self) -> ValidatorResult:
        uses = [
            (name, _step(number, step), self._at(number))
            for number, step in self.steps
            for name in dict.fromkeys((step.from_, step.to))
            if name
        ]
        flaws = undeclared(uses, self.participants, "participant", exact=self.read.exact)
        return judged("references", flaws, self.elements)

    def style(self) -> ValidatorResult:
        return judged("style", self._style(), self.elements)

    def outline(self) -> Outline:
        lines = self.read.lines
        names = [Name(each.label, "participant", lines.get(each.id)) for each in self.sequence.participants]
        for number, step in self.steps:
            if step.text and step.kind != "end":
                role: Role = (
                    "action" if step.kind in MESSAGES else "prose" if step.kind == "note" else "label"
                )
                names.append(Name(step.text, role, lines.get(f"step {number}")))
        return Outline(tuple(names), scope="behaviour", numbers=True)

    def _at(self, number: int) -> str:
        return at(self.read.lines, f"step {number}")

    def _structure(self) -> Iterator[Flaw]:
        yield from of_problems(self.read.problems)
        if not self.messages:
            yield Flaw(WRONG, "nobody says anything: add the messages that the requirements name", fatal=True)
            return
        if balanced(self.sequence.steps) != list(self.sequence.steps):
            yield Flaw(
                WRONG, "blocks and their ends do not match: write one end for each alt, opt, loop and par"
            )
        yield from self._participant_flaws()
        yield from self._block_flaws()
        yield from self._reply_flaws()

    def _participant_flaws(self) -> Iterator[Flaw]:
        busy = {name for _, step in self.messages for name in (step.from_, step.to)}
        same: dict[str, str] = {}
        for each in self.sequence.participants:
            where = at(self.read.lines, each.id)
            if each.id not in busy:
                yield Flaw(
                    MISSING,
                    f"{where}participant {shown(each.label)} takes no part: add its messages or leave it out",
                )
            first = same.setdefault(identity(each.label), each.id)
            if first != each.id:
                yield Flaw(WRONG, f"{where}participants {first} and {each.id} are the same: keep one")

    def _block_flaws(self) -> Iterator[Flaw]:
        """A case in which nothing is said, an alternative with one case, a condition that is not told."""
        open_: list[_Block] = []
        said = 0
        for number, step in self.steps:
            if step.kind in BLOCKS:
                yield from self._untold(number, step)
                open_.append(_Block(step, number, said))
            elif step.kind in ("else", "end"):
                if open_:
                    yield from self._case_flaws(open_[-1], step, said)
                    open_[-1].cases, open_[-1].before = open_[-1].cases + 1, said
                    del open_[len(open_) - (step.kind == "end") :]
            else:
                said += 1

    def _case_flaws(self, block: _Block, step: Step, said: int) -> Iterator[Flaw]:
        begin = block.begin
        where, what = self._at(block.number), f"{begin.kind} {shown(begin.text)}"
        if said == block.before:
            yield Flaw(
                MISSING, f"{where}in a case of {what} nothing happens: add its messages or leave it out"
            )
        if step.kind == "end" and begin.kind in ("alt", "par") and block.cases < 2:
            word = SECTIONS[begin.kind]
            yield Flaw(MISSING, f"{where}{what} has one case: add the other after {word}, or make it an opt")

    def _untold(self, number: int, step: Step) -> Iterator[Flaw]:
        if not step.text and step.kind not in ("par", "critical"):
            yield Flaw(MISSING, f"{self._at(number)}{step.kind} has no condition: say when it holds")

    def _reply_flaws(self) -> Iterator[Flaw]:
        asked: set[tuple[str, str]] = set()
        for number, step in self.messages:
            if step.kind != "reply":
                asked.add((step.from_, step.to))
            elif (step.to, step.from_) not in asked:
                yield Flaw(
                    MISSING,
                    f"{self._at(number)}{_step(number, step)} answers nothing: {step.to} has not asked {step.from_} "
                    "before; add the call or turn the reply round",
                )

    def _style(self) -> Iterator[Flaw]:
        yield from too_large(
            len(self.participants), _MOST_PARTICIPANTS, "participants", "draw one case at a time"
        )
        yield from too_large(len(self.messages), _MOST_MESSAGES, "messages", "draw one case at a time")
        yield from mixed([each.label for each in self.sequence.participants], "participants")
        for each in self.sequence.participants:
            place = f"{at(self.read.lines, each.id)}participant {each.id}"
            yield from overlong(each.label, 40, place)
            yield from unnamed(each.label, place)
        depth = 0
        for number, step in self.steps:
            depth += (step.kind in BLOCKS) - (step.kind == "end")
            if step.kind in BLOCKS and depth > _DEEPEST:
                yield Flaw(
                    ODD, f"{self._at(number)}{step.kind} lies {depth} blocks deep: nest at most {_DEEPEST}"
                )
            yield from overlong(
                step.text, 80 if step.kind == "note" else 60, self._at(number) + _step(number, step)
            )
            if step.kind in MESSAGES:
                yield from unnamed(step.text, self._at(number) + _step(number, step))


def _step(number: int, step: Step) -> str:
    if step.kind in MESSAGES:
        return f"{step.kind} {step.from_} to {step.to} ({shown(step.text)})"
    return f"{step.kind} {shown(step.text)}" if step.text else f"step {number} ({step.kind})"
