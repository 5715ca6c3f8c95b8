"""Mermaid's sequence notation from steps: total, deterministic, valid for any names."""

import re

from hone_generator.artifacts.diagrams.element import first_of_each
from hone_generator.artifacts.diagrams.labels import identifiers, label
from hone_generator.artifacts.diagrams.margin import margin
from hone_generator.artifacts.mermaid_sequence.ir import (
    BLOCKS,
    MESSAGES,
    SECTIONS,
    Participant,
    Sequence,
    Step,
    StepKind,
    balanced,
)

ARROWS: dict[StepKind, str] = {"call": "->>", "async": "-)", "reply": "-->>"}
NOTHING_SAID = "…"  # where Mermaid wants words and there are none
_WRAP = re.compile(r"^(:?\s?(?:no)?wrap):", re.IGNORECASE)  # an instruction, not words


def settled(sequence: Sequence) -> Sequence:
    """Ids and labels as Mermaid shows them. Of participants with one id the first stays; who is nobody takes no part
    in a message."""
    steps = [
        step for step in sequence.steps if step.kind not in (*MESSAGES, "note") or (step.from_ or step.to)
    ]
    ends = [name for step in steps for name in (step.from_, step.to) if name]
    ids = identifiers([*(each.id for each in sequence.participants), *ends], "p")
    return Sequence(
        participants=tuple(
            each.model_copy(update={"id": ids[each.id], "label": _words(each.label) or ids[each.id]})
            for each in first_of_each(sequence.participants, lambda each: each.id)
        ),
        steps=tuple(_settled(step, ids) for step in steps),
    )


def _settled(step: Step, ids: dict[str, str]) -> Step:
    from_, to = ids.get(step.from_, ""), ids.get(step.to, "")
    text = _words(step.text)
    if step.kind in MESSAGES:
        return step.model_copy(update={"from_": from_ or to, "to": to or from_, "text": text or NOTHING_SAID})
    if step.kind == "note":
        over = "" if to in (from_, "") or not from_ else to
        return step.model_copy(update={"from_": from_ or to, "to": over, "text": text or NOTHING_SAID})
    return step.model_copy(update={"from_": "", "to": "", "text": "" if step.kind == "end" else text})


def _words(text: str) -> str:
    return _WRAP.sub("\\1\u2236", label(text))


def render(sequence: Sequence) -> str:
    """The sequence, settled, as Mermaid text."""
    lines = ["sequenceDiagram"]
    lines += [f"    {_participant(each)}" for each in sequence.participants]
    open_: list[StepKind] = []
    for step in balanced(sequence.steps):
        if step.kind == "end":
            open_.pop()
        outer = len(open_) - (step.kind == "else")
        lines.append(margin(1 + outer) + _line(step, open_))
        if step.kind in BLOCKS:
            open_.append(step.kind)
    return "\n".join(lines) + "\n"


def _participant(each: Participant) -> str:
    return f"{each.kind} {each.id}" + (f" as {each.label}" if each.label != each.id else "")


def _line(step: Step, open_: list[StepKind]) -> str:
    if step.kind in MESSAGES:
        return f"{step.from_}{ARROWS[step.kind]}{step.to}: {step.text}"
    if step.kind == "note":
        over = f"{step.from_},{step.to}" if step.to else step.from_
        return f"Note over {over}: {step.text}"
    word = SECTIONS[open_[-1]] if step.kind == "else" else step.kind
    return f"{word} {step.text}".rstrip()
