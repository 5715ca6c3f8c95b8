"""What is wrong with a routes file: every fault with its line, as many as one reads."""

from collections.abc import Sequence

from hone_contracts.registry import RouteFault
from hone_registry.errors import RegistryError

MOST_FAULTS = 50
_LONGEST_SHOWN = 60
_LONGEST_KEY = 120


class BadRoutes(RegistryError):
    """The file is refused as a whole."""

    def __init__(self, faults: Sequence[RouteFault]) -> None:
        first, more = faults[0], len(faults) - 1
        where = f"line {first.line}: {first.key}: " if first.key else f"line {first.line}: "
        others = f" (and {more} more)" if more else ""
        super().__init__(
            "bad_routes",
            "The routes file is not applied",
            f"{where}{first.reason}{others}; the routes are as they were",
            422,
            {"faults": [fault.model_dump() for fault in faults]},
        )
        self.faults = tuple(faults)


class Wrong(Exception):
    """A value does not fit its key."""

    def __init__(self, line: int, reason: str, key: str = "") -> None:
        super().__init__(reason)
        self.line, self.reason, self.key = line, reason, key


class Faults:
    """Collects faults in the order of the file; raises BadRoutes when there are more than anyone reads."""

    def __init__(self) -> None:
        self._found: list[RouteFault] = []

    def add(self, line: int, key: str, reason: str) -> None:
        self._found.append(RouteFault(line=line, key=shortened(key, _LONGEST_KEY), reason=reason))
        if len(self._found) >= MOST_FAULTS:
            self.refuse()

    def refuse(self) -> None:
        """Raises BadRoutes if anything was found."""
        if self._found:
            raise BadRoutes(sorted(self._found, key=lambda fault: fault.line))


def shown(text: str) -> str:
    """What somebody wrote, for a message: one line, bounded, nothing unprintable."""
    return repr(shortened(text, _LONGEST_SHOWN))


def shortened(text: str, longest: int) -> str:
    printable = "".join(each if each.isprintable() else "�" for each in text[:longest])
    return printable if len(text) <= longest else f"{printable}…"
