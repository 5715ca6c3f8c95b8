"""Why the registry cannot do what was asked."""

from collections.abc import Sequence

from hone_chassis import Permanent


class RegistryError(Permanent):
    """The request cannot be met, now or later."""


class NoSuchModel(RegistryError):
    def __init__(self, name: str, known: Sequence[str]) -> None:
        there_are = f"there are: {', '.join(known)}" if known else "there are none yet"
        super().__init__("no_such_model", "No such model", f"{name!r} is not registered; {there_are}", 404)
        self.name, self.known = name, tuple(known)
