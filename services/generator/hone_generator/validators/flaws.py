"""How flaws make a score: each costs its weight as a share of the elements it stands among."""

from collections.abc import Iterable
from dataclasses import dataclass

from hone_contracts.artifacts import ValidatorResult
from hone_generator.validators.base import result

# A wrong reference misleads every reader; what is missing is mended in a minute; what is odd is a matter of taste.
WRONG, MISSING, ODD = 3.0, 1.0, 0.5


@dataclass(frozen=True, slots=True)
class Flaw:
    """Where, what and how to mend it, in one line. A ``fatal`` one leaves nothing to be judged."""

    weight: float
    message: str
    fatal: bool = False


def judged(name: str, flaws: Iterable[Flaw], elements: int) -> ValidatorResult:
    """The result of a validator that counts flaws among ``elements``: 100 without any, 0 with a fatal one. It passes
    as long as nothing is wrong; the gravest come first in the messages."""
    found = sorted(flaws, key=lambda flaw: (not flaw.fatal, -flaw.weight))
    fatal = any(flaw.fatal for flaw in found)
    lost = sum(flaw.weight for flaw in found) / max(elements, 1)
    score = 0 if fatal else 100 * max(0.0, 1 - lost)
    passed = not fatal and not any(flaw.weight >= WRONG for flaw in found)
    return result(name, score, (flaw.message for flaw in found), passed=passed)


def at(lines: dict[str, int], name: str) -> str:
    """ "line 3: " where the line is known, to begin a message with."""
    return f"line {lines[name]}: " if name in lines else ""
