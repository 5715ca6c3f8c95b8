"""Members of a class as people and models write them: `+name: Type`, `-Type name`, `+call(parameter: Type) Type`."""

import re
from dataclasses import dataclass

from hone_generator.artifacts.mermaid_class.ir import Attribute, Operation, Parameter, Visibility
from hone_generator.artifacts.mermaid_class.names import with_brackets

_MOST_PARAMETERS = 20
_VISIBILITIES: dict[str, Visibility] = {"+": "+", "-": "-", "#": "#", "~": "~"}
# The last pair of parentheses holds the parameters; a type follows, after a colon or not.
_OPERATION = re.compile(r"(?P<name>[^()]+)\((?P<parameters>[^()]*)\)[$*]?\s*:?\s*(?P<returns>[^()]*)")


@dataclass(frozen=True, slots=True)
class Member:
    """One of the two."""

    attribute: Attribute | None = None
    operation: Operation | None = None

    @property
    def name(self) -> str:
        found = self.attribute or self.operation
        return found.name if found is not None else ""


def read_member(text: str) -> Member | None:
    """None for what is neither an attribute nor an operation."""
    visibility = _VISIBILITIES.get(text[:1], "")
    words = with_brackets(text[len(visibility) :].strip())
    if "(" not in words and ")" not in words:
        name, type_ = _typed(words.rstrip("$* "))
        return Member(attribute=Attribute(name=name, type=type_, visibility=visibility)) if name else None
    found = _OPERATION.fullmatch(words)
    if found is None:
        return None
    before, name = _split_last(found["name"].strip())
    returns = found["returns"].strip().rstrip("$*").strip() or before
    parameters = parameters_of(found["parameters"])
    return Member(
        operation=Operation(name=name, parameters=parameters, returns=returns, visibility=visibility)
    )


def parameters_of(text: str) -> tuple[Parameter, ...]:
    """`a: int, b: Map<K, V>` or `int a`; a word alone is a name, as in `a, b`."""
    found: list[Parameter] = []
    for part in _parted(text)[:_MOST_PARAMETERS]:
        name, type_ = _typed(part.partition("=")[0].strip())
        if name:
            found.append(Parameter(name=name, type=type_))
    return tuple(found)


def _typed(text: str) -> tuple[str, str]:
    """Name and type of `name: Type` or `Type name`."""
    name, colon, type_ = text.partition(":")
    if colon:
        return name.strip(), type_.strip()
    before, name = _split_last(text)
    return name, before


def _split_last(text: str) -> tuple[str, str]:
    """All but the last word, and that one."""
    before, _, last = text.rpartition(" ")
    return before.strip(), last.strip()


def _parted(text: str) -> list[str]:
    """Cut at commas outside angle brackets."""
    parts, depth, start = [], 0, 0
    for place, char in enumerate(text):
        depth = max(0, depth + (char == "<") - (char == ">"))
        if char == "," and not depth:
            parts.append(text[start:place].strip())
            start = place + 1
    return [*parts, text[start:].strip()]
