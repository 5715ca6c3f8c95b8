"""Options of an artifact type (``dialect: sqlite``), checked by the type they belong to."""

from collections.abc import Mapping, Sequence
from typing import Protocol, runtime_checkable


class BadOption(ValueError):
    """An option that the type does not know, or a value that the option does not take. The message says which ones
    there are; no model needs to be asked to tell a user that."""

    def __init__(self, option: str, value: str, allowed: Sequence[str]) -> None:
        super().__init__(f"{option}: {value[:80]!r} is not known; use one of {', '.join(allowed)}")
        self.option, self.value, self.allowed = option, value, tuple(allowed)


class UnknownOption(BadOption):
    """The type has no option of this name."""

    def __init__(self, option: str, value: str, taken: Mapping[str, Sequence[str]]) -> None:
        super().__init__(option, value, ())
        there = "; ".join(f"{name} ({', '.join(values)})" for name, values in taken.items())
        self.args = (f"{option[:80]!r} is no option of this type, which takes {there or 'none'}",)


@runtime_checkable
class TakesOptions(Protocol):
    """A type that leaves something open: its options with the values that each takes."""

    options: Mapping[str, Sequence[str]]


def check_names(kind: object, options: Mapping[str, str]) -> None:
    """Raises BadOption for an option that the type has not: a misspelt one would be ignored without a word.
    Values are checked where they are used."""
    taken = kind.options if isinstance(kind, TakesOptions) else {}
    for option, value in options.items():
        if option not in taken:
            raise UnknownOption(option, value, taken)


def choice(options: Mapping[str, str], option: str, allowed: Sequence[str], default: str) -> str:
    """The value of an option that takes one of a few, in any case. Raises BadOption."""
    given = options.get(option)
    if given is None or not given.strip():
        return default
    found = given.strip().lower()
    if found not in allowed:
        raise BadOption(option, given, allowed)
    return found
