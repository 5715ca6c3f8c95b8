"""What a model says of a sequence, and how it is told to."""

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
from hone_generator.artifacts.mermaid_sequence.ir import (
    MESSAGES,
    Participant,
    ParticipantKind,
    Sequence,
    Step,
    StepKind,
    balanced,
)

PROMPT_VERSION = "mermaid_sequence/1"  # stored with each attempt; raise it with every change of what is below

INSTRUCTIONS = """\
You read software requirements and write down who says what to whom, in the order in which it happens, as one JSON \
document: participants and steps.
participants are the people (kind actor) and the systems, services, devices or stores (kind participant) that send \
or receive something; each takes part in a step. Their ids are short lower-case words such as payment_service.
steps are lines, from top to bottom. A message has kind call (the sender waits for an answer), async (it does not \
wait) or reply (the answer to a call before it, from who was called to who called); from and to are participants' \
ids, the same one where somebody does something alone; text says in two to six words what is sent or asked for.
kind note has the participant it stands at in from, and text.
Where the text states a condition, what is optional, repeated or at the same time, put the steps into a block: a \
step of kind alt (several cases), opt (one case), loop or par with the condition in text, then its steps; in alt and \
par a step of kind else with its condition before each further case; then a step of kind end. Each block has its \
end, and at least one message in each case; an alt has at least two. Blocks lie at most three deep in each other.
from, to and text are "" where a kind has none.
State only what the text states. Invent no participant and no message; use the words of the text and keep its \
numbers. At most 30 messages.
evidence quotes the words that say so, verbatim from the text, at most one sentence; "" if none do.
First write in reasoning, in a few sentences, who takes part, what sets it off, and which cases there are; then the \
lists."""

_KINDS = {
    "sync": "call", "synchronous": "call", "message": "call", "request": "call", "self": "call",
    "asynchronous": "async", "event": "async", "signal": "async", "return": "reply", "response": "reply",
    "and": "else", "option": "else", "if": "alt", "optional": "opt", "parallel": "par",
}  # fmt: skip
_PARTICIPANT_KINDS = {"person": "actor", "user": "actor", "human": "actor"}


class StatedParticipant(Quoted):
    id: Word
    label: Text = ""
    kind: Annotated[ParticipantKind, choice(ParticipantKind, "participant", _PARTICIPANT_KINDS)] = (
        "participant"
    )


class StatedStep(Quoted):
    kind: Annotated[StepKind, choice(StepKind, "call", _KINDS)]
    from_: Word = Field(default="", alias="from")
    to: Word = ""
    text: Text = ""


class SequenceAnswer(Answer):
    participants: Annotated[list[StatedParticipant], *items(StatedParticipant, 30)] = Field(
        default_factory=list
    )
    steps: Annotated[list[StatedStep], *items(StatedStep, 150)] = Field(default_factory=list)


def sequence_of(answer: SequenceAnswer, hearing: Hearing) -> Sequence:
    hearing.names("participant", (each.id for each in answer.participants))
    id_of = ids_of((each.id, each.label) for each in answer.participants)
    steps = [
        Step(
            kind=step.kind,
            from_=id_of(step.from_) if step.from_ else "",
            to=id_of(step.to) if step.to else "",
            text=step.text,
            evidence=step.evidence,
        )
        for step in answer.steps
    ]
    for number, step in enumerate(steps, 1):
        if step.kind in MESSAGES and not (step.from_ or step.to):
            hearing.note(f"left out step {number}: a message needs from and to")
    if balanced(steps) != steps:
        hearing.note("blocks and their ends do not match: write one end for each alt, opt, loop and par")
    return Sequence(
        participants=tuple(
            Participant(id=each.id, label=each.label, kind=each.kind, evidence=each.evidence)
            for each in answer.participants
        ),
        steps=tuple(steps),
    )


def stated(sequence: Sequence, quotes: Quotes) -> dict[str, Any]:
    """The answer that the sequence is made of."""
    return {
        "participants": [
            {
                "id": each.id,
                "label": each.label,
                "kind": each.kind,
                "evidence": quotes.of_element("participant", each.id),
            }
            for each in sequence.participants
        ],
        "steps": [
            {
                "kind": step.kind,
                "from": step.from_,
                "to": step.to,
                "text": step.text,
                "evidence": quotes.of_element(*_element(number, step)),
            }
            for number, step in enumerate(sequence.steps, 1)
        ],
    }


def _element(number: int, step: Step) -> tuple[str, str]:
    """As `named` calls it."""
    return (
        ("message", f"{number}:{step.from_}-{step.to}") if step.kind in MESSAGES else (step.kind, str(number))
    )
