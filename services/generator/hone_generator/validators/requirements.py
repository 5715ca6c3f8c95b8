"""Requirements as validators read them: statements, what each speaks of, and all words there are.

The same text is judged against for every attempt of a request, so reading it is remembered.
"""

import re
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise

from hone_contracts.erd_facts import normalise
from hone_generator.artifacts.kind import Scope
from hone_generator.text.naming import words_of
from hone_generator.text.passages import Passage, split_passages
from hone_generator.text.stems import stem

SHOWN_CHARS = 80

_DATA = frozenset(
    """
    has have having belong belongs contain contains consist consists consisting include includes including
    comprise comprises hold holds with identified unique store stores stored record records recorded keep keeps
    kept track tracks tracked each every many several multiple assigned linked associated related own owns owned
    registered
    """.split()  # noqa: SIM905 - a list of quoted words is not readable
)
_DATA_PHRASE = re.compile(r"\b(?:one or more|exactly one|at least one|at most|made up)\b")
_LISTED = re.compile(r"^(?:[\w'-]+ ){1,4}: .+ ,")  # "customer : name , email"
_DEMANDS = frozenset(
    """
    can could may might must shall should will cannot want wants need needs able allowed required if when
    whenever after before until once unless then otherwise
    """.split()  # noqa: SIM905 - as above
)
_OWN_VERBS = frozenset(
    """
    has have having belong belongs contain contains consist consists include includes comprise comprises hold
    holds own owns
    """.split()  # noqa: SIM905 - as above
)
_ABOUT_US = frozenset("we our us you your hello hi dear thanks thank please".split())  # noqa: SIM905 - as above
_FEWEST_WORDS = 3


@dataclass(frozen=True, slots=True)
class Statement:
    """A sentence, list item or table row that demands something; ``line`` counts from 1, ``words`` are normalised.
    ``data`` and ``behaviour`` tell what it speaks of, which may be both."""

    line: int
    text: str
    words: tuple[str, ...]
    data: bool
    behaviour: bool
    row: bool = False

    def within(self, scope: Scope) -> bool:
        return self.data if scope == "data" else self.behaviour if scope == "behaviour" else True

    @property
    def shown(self) -> str:
        return self.text if len(self.text) <= SHOWN_CHARS else self.text[: SHOWN_CHARS - 1] + "…"


@dataclass(frozen=True, slots=True)
class Requirements:
    """``stems`` are of all words of the text, headings and prose included."""

    statements: tuple[Statement, ...]
    stems: frozenset[str]


@lru_cache(maxsize=16)
def read_requirements(text: str) -> Requirements:
    """Read a text once. At most `MAX_REQUIREMENTS_CHARS` come here, which take about half a second."""
    found: list[Statement] = []
    listing = False  # items under "a member has:" speak of data though they have no verb
    line, counted = 1, 0
    for passage in split_passages(text):
        line += text.count("\n", counted, passage.start)
        counted = passage.start
        row = text[passage.start : passage.end].lstrip().startswith("|")
        normal = normalise(passage.text)
        words = tuple(normal.split())
        speaks = row or _speaks_of_data(normal, words)
        if passage.depth == 0:
            listing = speaks
        statement = _statement(passage, line, words, speaks or bool(passage.depth and listing), row)
        if statement is not None:
            found.append(statement)
    return Requirements(tuple(found), stems_of(text))


def _speaks_of_data(line: str, words: tuple[str, ...]) -> bool:
    return not _DATA.isdisjoint(words) or bool(_DATA_PHRASE.search(line)) or bool(_LISTED.match(line))


def _statement(
    passage: Passage, line: int, words: tuple[str, ...], data: bool, row: bool
) -> Statement | None:
    demands = not _DEMANDS.isdisjoint(words)
    prose = not demands and not _ABOUT_US.isdisjoint(words)
    says = demands or (_OWN_VERBS.isdisjoint(words) and (len(words) >= _FEWEST_WORDS or passage.depth > 0))
    behaviour = says and not prose and not row
    return Statement(line, passage.text, words, data, behaviour, row) if data or behaviour else None


@lru_cache(maxsize=16)
def stems_of(text: str) -> frozenset[str]:
    """The stems of all words of a text, and of neighbours written together ("e mail" is email, too)."""
    words = [word for piece in text.split() for word in words_of(piece[:200])]
    joined = ("".join(pair) for pair in pairwise(words))
    return frozenset({stem(word) for word in words} | {stem(word) for word in joined if len(word) <= 24})
