"""Mermaid state text read back into a machine, tolerantly: for checks of a file that came from anywhere.

Whether Mermaid accepts the text is not decided here; a line that is not understood is reported and passed over.
States may be used without being declared, as people write them. Notes, styles and dividers are passed over.
"""

import re

from hone_generator.artifacts.diagrams.text import Problem, Read, shown, statements, unquoted
from hone_generator.artifacts.mermaid_state.ir import EDGE, State, StateKind, StateMachine, Transition

HEADER = re.compile(r"stateDiagram(?:-v2)?(?=\s|$)", re.IGNORECASE)

_END = r"(?P<name>\[\*\]|[^\s:{}\"]+)(?::::[\w-]+)?"
_SOURCE = re.compile(_END)
_TARGET = re.compile(rf"{_END}\s*(?::(?!::)\s*(?P<label>.*))?")
_SPECIAL = re.compile(
    r"state\s+(?P<id>\S+)\s*(?:<<|\[\[)(?P<kind>fork|join|choice)(?:>>|\]\])", re.IGNORECASE
)
_NAMED = re.compile(
    r'state\s+"(?P<label>[^"]*)"\s*as\s+(?P<id>[^\s{:]+)\s*(?P<open>\{)?(?::.*)?', re.IGNORECASE
)
_DECLARED = re.compile(r"(?:state\s+)(?P<id>[^\s{:\"]+)\s*(?P<open>\{)?\s*(?P<close>\})?", re.IGNORECASE)
_DESCRIBED = re.compile(r"(?:state\s+)?(?P<id>[^\s{:\"]+)\s*:(?!::)\s*(?P<label>.*)", re.IGNORECASE)
_BARE = re.compile(r"(?P<id>[^\s{}:\"-]+)(?::::[\w-]+)?")
_NOTE = re.compile(r"note\s+(?:(?:left|right)\s+of\s+\S+|\")", re.IGNORECASE)
_IGNORED = re.compile(
    r"(?:direction|classDef|class|style|click|scale)\s|hide empty description$|--$", re.IGNORECASE
)
_DEEPEST = 20  # composites in each other; what lies deeper is read as if it lay there


class _Reader:
    def __init__(self) -> None:
        self.states: dict[str, State] = {}
        self.transitions: list[Transition] = []
        self.open: list[str] = []
        self.lines: dict[str, int] = {}
        self.problems: list[Problem] = []
        self.in_note = False
        self.declared = ""  # the last one; its block may begin on the next line

    def line(self, number: int, text: str) -> None:
        if self.in_note:
            self.in_note = text.lower() != "end note"
        elif _NOTE.match(text):
            self.in_note = ":" not in text and not text.split(None, 1)[1].startswith('"')
        elif text == "{" and self.declared:
            self._enter(self.declared)
        elif text == "}":
            if self.open:
                self.open.pop()
            else:
                self.problems.append(Problem(number, "this } closes nothing: leave it out"))
        elif not _IGNORED.match(text):
            self._statement(number, text)

    def _statement(self, number: int, text: str) -> None:
        before, arrow, after = text.partition("-->")
        source, target = _SOURCE.fullmatch(before.strip()), _TARGET.fullmatch(after.strip())
        if arrow and source and target:
            self._transition(number, source["name"], target["name"], target["label"] or "")
        elif found := _SPECIAL.fullmatch(text):
            kinds: dict[str, StateKind] = {"fork": "fork", "join": "join", "choice": "choice"}
            self._state(number, found["id"], found["id"], kinds[found["kind"].lower()])
        elif found := _NAMED.fullmatch(text):
            self._state(number, found["id"], found["label"].strip())
            self._declared(found)
        elif found := _DECLARED.fullmatch(text):
            self._state(number, found["id"])
            self._declared(found)
        elif found := _DESCRIBED.fullmatch(text):
            self._state(number, found["id"], found["label"].strip())
        elif found := _BARE.fullmatch(text):
            self._state(number, found["id"])
        else:
            self.problems.append(Problem(number, f"{shown(text)} is neither a state nor a transition"))

    def _declared(self, found: re.Match[str]) -> None:
        self.declared = found["id"]
        if found["open"] and not found.groupdict().get("close"):
            self._enter(found["id"])

    def _enter(self, name: str) -> None:
        self.open.append(name if len(self.open) < _DEEPEST else self.open[-1])

    def _state(self, number: int, name: str, label: str = "", kind: StateKind = "state") -> None:
        """A state, declared here or only used: where it was first seen is where it lies, unless it is declared
        elsewhere."""
        self.lines.setdefault(name, number)
        known = self.states.get(name)
        parent = self.open[-1] if self.open else ""
        if known is None:
            self.states[name] = State(id=name, label=label or name, kind=kind, parent=parent)
            return
        update: dict[str, str] = {"parent": parent or known.parent}
        if label:
            update["label"] = label
        if kind != "state":
            update["kind"] = kind
        self.states[name] = known.model_copy(update=update)

    def _transition(self, number: int, from_: str, to: str, label: str) -> None:
        for end in (from_, to):
            if end != EDGE and end not in self.states:
                self._state(number, end)
        event, guard, action = split_label(unquoted(label))
        self.lines.setdefault(f"{from_}-->{to}", number)
        self.transitions.append(Transition(from_=from_, to=to, event=event, guard=guard, action=action))


def split_label(text: str) -> tuple[str, str, str]:
    """Event, guard and action of `event [guard] / action`; each may be missing."""
    text = text.strip()
    before, slash, action = ("", "/", text[1:]) if text.startswith("/ ") else text.partition(" / ")
    before, action = before.strip(), action.strip() if slash else ""
    event, bracket, guard = before.partition("[")
    if bracket and guard.endswith("]"):
        return event.strip(), guard[:-1].strip(), action
    return before, "", action


def parse(text: str) -> Read[StateMachine]:
    """Read Mermaid state text. Never raises: what is not understood is among the problems."""
    reader = _Reader()
    lines, reader.problems = statements(text, HEADER)
    for number, line in lines:
        reader.line(number, line.rstrip(";"))
    last = lines[-1][0] if lines else 1
    if reader.open:
        reader.problems.append(
            Problem(last, f"the block of {reader.open[-1]} is not closed: add a line with }}")
        )
    machine = StateMachine(states=tuple(reader.states.values()), transitions=tuple(reader.transitions))
    return Read(machine, reader.lines, tuple(reader.problems))
