"""Options of an artifact type (``dialect: sqlite``), checked by the type they belong to."""

from collections.abc import Mapping, Sequence


class BadOption(ValueError):
    """An option that the type does not know, or a value that the option does not take. The message says which ones
    there are; no model needs to be asked to tell a user that."""

    def __init__(self, option: str, value: str, allowed: Sequence[str]) -> None:
        super().__init__(f"{option}: {value[:80]!r} is not known; use one of {', '.join(allowed)}")
        self.option, self.value, self.allowed = option, value, tuple(allowed)


def choice(options: Mapping[str, str], option: str, allowed: Sequence[str], default: str) -> str:
    """The value of an option that takes one of a few, in any case. Raises BadOption."""
    given = options.get(option)
    if given is None or not given.strip():
        return default
    found = given.strip().lower()
    if found not in allowed:
        raise BadOption(option, given, allowed)
    return found
