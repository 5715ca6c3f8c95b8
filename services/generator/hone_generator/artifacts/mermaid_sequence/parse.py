"""Mermaid sequence text read back into steps, tolerantly: for checks of a file that came from anywhere.

Whether Mermaid accepts the text is not decided here; a line that is not understood is reported and passed over. What
steps have no place for (activations, numbers, boxes, colours, links) is passed over in silence.
"""

import re

from hone_generator.artifacts.diagrams.text import Problem, Read, parted, shown, statements
from hone_generator.artifacts.mermaid_sequence.ir import (
    SECTIONS,
    Participant,
    ParticipantKind,
    Sequence,
    Step,
    StepKind,
)

HEADER = re.compile(r"sequenceDiagram(?=\s|;|$)", re.IGNORECASE)

_PARTICIPANT = re.compile(
    r"(?:create\s+)?(?P<kind>participant|actor)\s+(?P<id>[^\s@]+?|[^@]+?)(?:@\{[^}]*\})?(?:\s+as\s+(?P<label>.+))?",
    re.IGNORECASE,
)
_ARROW = re.compile(
    r"\s*(?:\(\))?(?P<arrow><<-{1,2}>>|-{1,2}(?:>>|>|x|\)|\|[/\\]|\\\\|//|\\|/)|(?:[/\\]\||//|\\\\)-{1,2})"
    r"(?:\(\))?\s*[+-]?\s*"
)
_NOTE = re.compile(
    r"note\s+(?:over|left\s+of|right\s+of)\s+(?P<from>[^:,]+)(?:,\s*(?P<to>[^:]+))?\s*:(?P<text>.*)",
    re.IGNORECASE,
)
_OPENING = re.compile(
    r"(?P<word>alt|opt|loop|par_over|par|critical|break|rect|box)\b\s*(?P<text>.*)", re.IGNORECASE
)
_SECTION = re.compile(r"(?P<word>else|and|option)\b\s*(?P<text>.*)", re.IGNORECASE)
_IGNORED = re.compile(
    r"(?:activate|deactivate|destroy|autonumber|title|links?|properties|details|off)\b", re.IGNORECASE
)
_BREAK = re.compile(r"<br\s*/?>")
_KINDS: dict[str, StepKind] = {
    "alt": "alt", "opt": "opt", "loop": "loop", "par": "par", "par_over": "par", "critical": "critical",
    "break": "break",
}  # fmt: skip


class _Reader:
    def __init__(self) -> None:
        self.participants: dict[str, Participant] = {}
        self.used: dict[str, None] = {}
        self.steps: list[Step] = []
        self.open: list[str] = []
        self.lines: dict[str, int] = {}
        self.problems: list[Problem] = []

    def line(self, number: int, text: str) -> None:
        if text.lower() == "end":
            self._end(number)
        elif found := _NOTE.fullmatch(text):
            from_, to = found["from"].strip(), (found["to"] or "").strip()
            self._use(number, from_, *([to] if to else []))
            self._add(number, "note", from_, "" if to == from_ else to, found["text"])
        elif found := _PARTICIPANT.fullmatch(text):
            self._participant(number, found)
        elif found := _OPENING.fullmatch(text):
            word = found["word"].lower()
            self.open.append(word)
            if word in _KINDS:
                self._add(number, _KINDS[word], "", "", found["text"])
        elif found := _SECTION.fullmatch(text):
            self._section(number, found)
        elif not _IGNORED.match(text) and not self._message(number, text):
            self.problems.append(
                Problem(number, f"{shown(text)} is neither a participant, a message nor a block")
            )

    def _end(self, number: int) -> None:
        if not self.open:
            self.problems.append(Problem(number, "this end closes no block: leave it out"))
        elif self.open.pop() in _KINDS:
            self._add(number, "end", "", "", "")

    def _section(self, number: int, found: re.Match[str]) -> None:
        word, inner = (
            found["word"].lower(),
            next((each for each in reversed(self.open) if each in _KINDS), ""),
        )
        kind = _KINDS.get(inner)
        if kind is None or SECTIONS.get(kind) != word:
            block = next(block for block, section in SECTIONS.items() if section == word)
            self.problems.append(Problem(number, f"this {word} stands in no {block}: leave it out"))
        else:
            self._add(number, "else", "", "", found["text"])

    def _message(self, number: int, text: str) -> bool:
        before, colon, words = text.partition(":")
        arrow = _ARROW.search(before)
        if arrow is None:
            return False
        from_, to = before[: arrow.start()].strip(), before[arrow.end() :].strip()
        if not from_ or not to:
            return False
        if not colon:
            self.problems.append(
                Problem(number, f"the message {shown(text)} says nothing: write what after a colon")
            )
        self._use(number, from_, to)
        mark = arrow["arrow"]
        kind: StepKind = "reply" if "--" in mark else "async" if mark in ("-)", "-x") else "call"
        self._add(number, kind, from_, to, words)
        return True

    def _participant(self, number: int, found: re.Match[str]) -> None:
        kind: ParticipantKind = "actor" if found["kind"].lower() == "actor" else "participant"
        name, label = found["id"].strip(), _BREAK.sub(" ", found["label"] or "").strip()
        self.lines.setdefault(name, number)
        if name in self.participants:
            self.problems.append(Problem(number, f"participant {shown(name)} is declared twice: keep one"))
        self.participants.setdefault(name, Participant(id=name, label=label or name, kind=kind))

    def _use(self, number: int, *names: str) -> None:
        for name in names:
            self.used.setdefault(name)
            self.lines.setdefault(name, number)

    def _add(self, number: int, kind: StepKind, from_: str, to: str, text: str) -> None:
        self.steps.append(Step(kind=kind, from_=from_, to=to, text=_BREAK.sub(" ", text).strip()))
        self.lines[f"step {len(self.steps)}"] = number


def parse(text: str) -> Read[Sequence]:
    """Read Mermaid sequence text. Never raises: what is not understood is among the problems."""
    reader = _Reader()
    lines, reader.problems = statements(text, HEADER)
    for number, line in lines:
        for statement in filter(None, parted(line, quotes=False)):
            reader.line(number, statement)
    last = lines[-1][0] if lines else 1
    for word in reversed(reader.open):
        reader.problems.append(Problem(last, f"a block ({word}) is not closed: add end"))
        if word in _KINDS:
            reader.steps.append(Step(kind="end"))
    participants = reader.participants or {name: Participant(id=name, label=name) for name in reader.used}
    sequence = Sequence(participants=tuple(participants.values()), steps=tuple(reader.steps))
    return Read(sequence, reader.lines, tuple(reader.problems))
