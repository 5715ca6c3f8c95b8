"""YAML as nodes that know their line.

Built from the parser's events, without recursion: text from outside may nest as deep, and refer to itself as often,
as it likes. An alias is the very node that its anchor names, so no text grows by being read; tags and several
documents are refused. Scalars keep their text: what it means is for the key to say, so that ``1:30`` is no number of
seconds by accident and ``no`` is no boolean where a name is wanted.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field

import yaml
from yaml import events

from hone_contracts.registry import MAX_ROUTES_CHARS
from hone_registry.routes_file.faults import Faults, Wrong, shortened, shown

_DEEPEST = 8  # a file with every key has five


@dataclass(frozen=True, slots=True)
class Scalar:
    line: int
    text: str
    quoted: bool


@dataclass(frozen=True, slots=True)
class Entry:
    line: int
    key: str
    value: "Node"


@dataclass(slots=True)
class Mapping:
    line: int
    entries: list[Entry] = field(default_factory=list)


@dataclass(slots=True)
class Items:
    line: int
    nodes: list["Node"] = field(default_factory=list)


Node = Scalar | Mapping | Items


def read(text: str, faults: Faults) -> Node:
    """The one document of ``text``. Raises BadRoutes for text that is no YAML; other faults are collected."""
    if len(text) > MAX_ROUTES_CHARS:
        reason = f"the file has {len(text)} characters; at most {MAX_ROUTES_CHARS} are read"
        raise _only(faults, 1, reason)
    builder = _Builder(faults)
    try:
        for event in _events(text):
            builder.take(event)
    except Wrong as error:
        raise _only(faults, error.line, error.reason) from error
    if builder.root is None:
        raise _only(faults, 1, "the file is empty; write {} to go back to Hone's own routes")
    return builder.root


def _only(faults: Faults, line: int, reason: str) -> AssertionError:
    """What was read before the text broke off says little: raises BadRoutes with what there is."""
    faults.add(line, "", reason)
    faults.refuse()
    return AssertionError("refuse raises when there is a fault")


def _events(text: str) -> Iterator[events.Event]:
    """Raises Wrong where the text is no YAML."""
    try:
        parser = yaml.SafeLoader(text)
    except yaml.reader.ReaderError as error:
        line = text.count("\n", 0, error.position) + 1
        raise Wrong(line, "a character that YAML does not allow; write plain UTF-8 text") from error
    try:
        while parser.check_event():
            yield parser.get_event()  # type: ignore[no-untyped-call]
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        told = ", ".join(part for part in (error.context, error.problem) if part)
        raise Wrong(mark.line + 1 if mark else 1, f"this is not YAML: {shortened(told, 200)}") from error
    except (ValueError, OverflowError) as error:  # numbers in directives and escapes that Python cannot take
        raise Wrong(parser.line + 1, "this is not YAML: a number in it is out of range") from error


class _Builder:
    """Takes the events of one document, one after the other."""

    def __init__(self, faults: Faults) -> None:
        self.root: Node | None = None
        self._faults = faults
        self._open: list[_Level] = []
        self._named: dict[str, Node] = {}

    def take(self, event: events.Event) -> None:
        line = event.start_mark.line + 1 if event.start_mark else 1
        match event:
            case events.DocumentStartEvent() if self.root is not None:
                raise Wrong(line, "a second document begins here; a routes file is one")
            case events.AliasEvent():
                self._put(self._alias(event, line), line)
            case events.ScalarEvent():
                self._check_tag(event, line)
                self._put(self._anchored(event, Scalar(line, event.value, event.style is not None)), line)
            case events.MappingStartEvent() | events.SequenceStartEvent():
                self._check_tag(event, line)
                self._enter(event, line)
            case events.MappingEndEvent() | events.SequenceEndEvent():
                level = self._open.pop()
                if level.anchor is not None:  # only now: nothing contains itself
                    self._named[level.anchor] = level.node

    def _enter(self, event: events.CollectionStartEvent, line: int) -> None:
        if len(self._open) >= _DEEPEST:
            raise Wrong(line, f"nested deeper than {_DEEPEST} levels; no key needs that")
        node: Mapping | Items = Mapping(line) if isinstance(event, events.MappingStartEvent) else Items(line)
        self._put(node, line)
        self._open.append(_Level(node, event.anchor))

    def _put(self, node: Node, line: int) -> None:
        if not self._open:
            self.root = node
            return
        level = self._open[-1]
        if isinstance(level.node, Items):
            level.node.nodes.append(node)
        elif level.key is None:
            level.key = _key_of(node, line)
        else:
            key_line, key = level.key
            level.key = None
            if key in level.first:
                self._faults.add(
                    key_line, key, f"stands here for the second time, first in line {level.first[key]}"
                )
                return
            level.first[key] = key_line
            level.node.entries.append(Entry(key_line, key, node))

    def _alias(self, event: events.AliasEvent, line: int) -> Node:
        name = event.anchor or ""
        if name not in self._named:
            raise Wrong(line, f"*{shortened(name, 60)} names nothing that ends before this line")
        return self._named[name]

    def _anchored(self, event: events.ScalarEvent, node: Scalar) -> Scalar:
        if event.anchor is not None:
            self._named[event.anchor] = node
        return node

    def _check_tag(self, event: events.ScalarEvent | events.CollectionStartEvent, line: int) -> None:
        if event.tag not in (None, "!"):
            raise Wrong(line, f"tags such as {shown(event.tag)} are not read; leave it out")


@dataclass(slots=True)
class _Level:
    """A mapping or list that is not at its end. ``key`` waits for its value."""

    node: Mapping | Items
    anchor: str | None
    key: tuple[int, str] | None = None
    first: dict[str, int] = field(default_factory=dict)


def _key_of(node: Node, line: int) -> tuple[int, str]:
    if not isinstance(node, Scalar):
        raise Wrong(line, "a key is a word, not a list or a mapping")
    return line, node.text
