"""Paths as models write them, made into templates, and the names of operations on them."""

import re
from dataclasses import dataclass, field

from hone_generator.text import naming

_SEGMENT = re.compile(r"\{([^{}/]*)\}|:([A-Za-z_]\w*)|<([^<>/]*)>")
_MOST_SEGMENTS = 12
_VERBS = {"post": "create", "put": "replace", "patch": "update", "delete": "delete"}


@dataclass(frozen=True, slots=True)
class Template:
    """``segments`` are words in kebab-case or, in braces, parameters; ``parameters`` are these in their order."""

    segments: tuple[str, ...]

    @property
    def parameters(self) -> tuple[str, ...]:
        return tuple(each[1:-1] for each in self.segments if each.startswith("{"))

    @property
    def text(self) -> str:
        return "/" + "/".join(self.segments)

    @property
    def shape(self) -> tuple[str, ...]:
        """Templates of one shape are one path, whatever their parameters are called."""
        return tuple("{}" if each.startswith("{") else each for each in self.segments)


@dataclass(slots=True)
class Paths:
    """The templates that were met: a path that only calls its parameters otherwise is the one before."""

    _known: dict[tuple[str, ...], Template] = field(default_factory=dict)

    def template(self, said: str) -> Template:
        segments: list[str] = []
        for part in said.partition("?")[0].split("/")[: _MOST_SEGMENTS + 2]:
            parameter = _SEGMENT.fullmatch(part.strip())
            if parameter:
                name = next((group for group in parameter.groups() if group), "id")
                segments.append(f"{{{_parameter(name, segments)}}}")
            elif words := naming.words_of(part[:80]):
                segments.append(_kebab(words))
        found = self._prefixed(Template(tuple(segments[:_MOST_SEGMENTS])))
        for length in range(1, len(found.segments) + 1):
            begun = Template(found.segments[:length])
            self._known.setdefault(begun.shape, begun)
        return self._known.get(found.shape, found)

    def _prefixed(self, template: Template) -> Template:
        """With the parameters' names of a path that this one goes on from."""
        for length in range(len(template.segments) - 1, 0, -1):
            known = self._known.get(template.shape[:length])
            if known is not None:
                rest = template.segments[length:]
                taken = set(known.parameters)
                return Template((*known.segments, *(each for each in _renamed(rest, taken))))
        return template


def _renamed(segments: tuple[str, ...], taken: set[str]) -> list[str]:
    kept = []
    for each in segments:
        name = each
        number = 1
        while name.startswith("{") and name[1:-1] in taken:
            number += 1
            name = f"{{{each[1:-1]}_{number}}}"
        if name.startswith("{"):
            taken.add(name[1:-1])
        kept.append(name)
    return kept


def _parameter(said: str, before: list[str]) -> str:
    words = [_ascii(word) for word in naming.words_of(said[:80])]
    name = "_".join(word for word in words if word) or "id"
    candidate, number = name, 1
    while f"{{{candidate}}}" in before:
        number += 1
        candidate = f"{name}_{number}"
    return candidate


def _kebab(words: tuple[str, ...]) -> str:
    shown = [_ascii(word) for word in words]
    return "-".join(word for word in shown if word) or "x"


def _ascii(word: str) -> str:
    return "".join(char for char in word if char.isascii() and char.isalnum())


def operation_id(method: str, template: Template, taken: set[str], *, many: bool) -> str:
    """listMembers, getMember, createMember, listMemberLoans: in camelCase, each once."""
    words: list[str] = []
    segments = template.segments
    for index, segment in enumerate(segments):
        if segment.startswith("{"):
            continue
        own = segment.split("-")
        followed = index + 1 < len(segments) and segments[index + 1].startswith("{")
        alone = followed or (method == "post" and index == len(segments) - 1)
        words += [*own[:-1], naming.singular(own[-1]) if alone else own[-1]]
    verb = _VERBS.get(method, "list" if many else "get")
    name = verb + "".join(word[:1].upper() + word[1:] for word in words or ["root"])
    candidate = name[:80]
    if candidate in taken:
        candidate += str(naming.free_number(lambda number: f"{name[:80]}{number}" in taken))
    taken.add(candidate)
    return candidate
