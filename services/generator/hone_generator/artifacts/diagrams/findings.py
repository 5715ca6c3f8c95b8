"""Flaws that every diagram can have."""

import difflib
import re
from collections.abc import Collection, Iterable, Iterator, Sequence

from hone_generator.artifacts.diagrams.text import Problem, shown
from hone_generator.validators.flaws import MISSING, ODD, WRONG, Flaw

_MOST_COMPARED = (
    200  # names that a misspelled one is compared with; each comparison is quadratic in the names' length
)
_DIGITS = re.compile(r"\d+")
_ALMOST = 0.75  # of the letters in their order: two of four that changed places
_SAYS_NOTHING = re.compile(
    r"todo|tbd|…|\?+|(?:[a-z]|node|step|state|class|participant)?[\s_]?\d+|[a-z]?", re.IGNORECASE
)


def of_problems(problems: Iterable[Problem]) -> Iterator[Flaw]:
    for problem in problems:
        yield Flaw(WRONG, f"line {problem.line}: {problem.what}", fatal=problem.fatal)


def undeclared(
    uses: Iterable[tuple[str, str, str]], declared: Collection[str], what: str, *, exact: bool
) -> Iterator[Flaw]:
    """Names that are used without being declared; each use is the name, who uses it, and where.

    In data each is a mistake. Mermaid's text may use a name without declaring it: there it is a mistake where it is
    almost a declared one, and otherwise only something to add. Text that declares nothing is a sketch."""
    if not declared and not exact:
        return
    known = list(declared)[:_MOST_COMPARED]
    told: set[tuple[str, str]] = set()
    for name, user, where in uses:
        if name in declared or (name, user) in told:
            continue
        told.add((name, user))
        # A comparison costs much, and who misspells more names than this has other troubles.
        almost = _almost(name[:60], known) if len(told) <= 20 else ""
        instead = f"write {almost}" if almost else f"add the {what} {name} or correct the name"
        weight = WRONG if exact or almost else MISSING
        yield Flaw(weight, f"{where}{user} names {what} {shown(name)}, which is not declared: {instead}")


def _almost(name: str, known: Sequence[str]) -> str:
    """The declared name that this one is a misspelling of; Class08 is none of Class10."""
    letters = _DIGITS.sub("", name)
    near = difflib.get_close_matches(name, known, 3, _ALMOST)
    return next((each for each in near if _DIGITS.sub("", each) != letters), "")


def too_large(size: int, most: int, what: str, remedy: str) -> Iterator[Flaw]:
    """One flaw for each so many again as can be looked at."""
    for _ in range(most, min(size, most * 4), most):
        yield Flaw(WRONG, f"there are {size} {what}, nobody reads more than {most} at once: {remedy}")


def overlong(text: str, most: int, place: str) -> Iterator[Flaw]:
    if len(text) > most:
        yield Flaw(ODD, f"{place} has {len(text)} characters ({shown(text)}): say it in at most {most}")


def unnamed(text: str, place: str) -> Iterator[Flaw]:
    if _SAYS_NOTHING.fullmatch(text[:40]):
        yield Flaw(MISSING, f"{place} says nothing ({shown(text)}): write what it is")


def mixed(names: Sequence[str], what: str) -> Iterator[Flaw]:
    """Names that begin in capitals among names that do not."""
    cased = [name for name in names if name[:1].isupper() != name[:1].islower()]
    small = [name for name in cased if name[0].islower()]
    if small and len(small) < len(cased):
        few = small if len(small) * 2 <= len(cased) else [name for name in cased if name[0].isupper()]
        yield Flaw(
            ODD, f"{what} are written in capitals and in small letters ({', '.join(few[:3])}): choose one"
        )
