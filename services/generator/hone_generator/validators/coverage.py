"""How much of what the requirements say about data is in the diagram.

Explainable on purpose: terms are words of sentences that speak of data (something has, belongs to, contains,
is identified by …), function words and common verbs aside, in the singular. A term is covered if it is a word of
any name or label of the diagram. Sentences that state nothing about data do not count, so prose costs nothing.
Numbers do not count either: an ER diagram has no place for "at most five".
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

from hone_contracts.artifacts import ValidatorResult
from hone_contracts.erd_facts import STOP_WORDS, is_word, normalise
from hone_generator.artifacts.mermaid_erd.ir import Diagram
from hone_generator.text.naming import singular, words_of
from hone_generator.text.passages import split_passages
from hone_generator.validators.base import result

NAME = "coverage"
PASS_MARK = 50  # half of the terms missing means that whole entities are
_MAX_WEIGHT = 3  # a word that stands everywhere is an entity, but not the whole diagram

_SIGNAL = re.compile(
    r"\b(?:has|have|having|belongs?|contains?|consists?|includes?|including|comprises?|holds?|with|identified|unique"
    r"|stores?|stored|records?|recorded|keeps?|kept|tracks?|tracked|each|every|many|several|multiple|one or more"
    r"|exactly one|at least one|at most|assigned|linked|associated|related|consisting|owns?|owned|made up"
    r"|registered)\b"
)
_LISTED = re.compile(r"^(?:[\w'-]+ ){1,4}: .+ ,")  # "customer : name , email"
_NOTHING_SAID = (
    "no sentence says what is kept about what, so there is nothing to hold the diagram against: write what each "
    'thing has, as in "each member has a name and many loans"'
)
# Words of sentences about data that name nothing in them.
_COMMON = frozenset(
    """
    has have having belong belongs contain contains consist consists include includes comprise comprises hold holds
    identified unique uniquely store stores stored record records recorded keep keeps kept track tracks tracked
    assigned assign linked link associated related relate own owns owned made make register registered registers
    need needs want wants know known knows system application app software database platform data information
    detail details following called name named exist exists existing allow allows allowed able possible required
    require requires use uses used user-defined give gives given new old different thing things way case example
    time times number numbers amount set list lists kind kinds type types part parts take takes place work works
    show shows see sees get gets let lets put puts add adds added create creates created update updated delete
    exactly zero single simple currently later always maximum minimum optional
    """.split()  # noqa: SIM905 - a list of quoted words is not readable
)


@dataclass(slots=True)
class _Term:
    word: str
    line: int
    count: int = 0
    context: str = field(default="")


def check_coverage(diagram: Diagram, requirements: str) -> ValidatorResult:
    """The weighted share of the requirements' terms that the diagram answers, and the terms that it does not,
    the most frequent first, with the line (from 1) where each stands first. Without terms it is none."""
    terms = list(_terms(requirements))
    if not terms:
        return result(NAME, 0, [_NOTHING_SAID], passed=False)
    answered = _vocabulary(diagram)
    missing = [term for term in terms if not _is_covered(term.word, answered)]
    total = sum(_weight(term) for term in terms)
    score = 100 * (1 - sum(_weight(term) for term in missing) / total)
    ordered = sorted(missing, key=lambda term: (-term.count, term.line))
    messages = [
        f'line {term.line}: "{term.word}" is not in the diagram ({term.context}): add it if it is data'
        for term in ordered
    ]
    return result(NAME, score, messages, passed=score >= PASS_MARK)


def _weight(term: _Term) -> int:
    return min(term.count, _MAX_WEIGHT)


def _terms(requirements: str) -> Iterator[_Term]:
    found: dict[str, _Term] = {}
    listing = False  # items under "a member has:" speak of data though they have no verb
    for passage in split_passages(requirements):
        line = normalise(passage.text)
        speaks = _SIGNAL.search(line) is not None or _LISTED.match(line) is not None
        if passage.depth == 0:
            listing = speaks
        if not speaks and not (passage.depth and listing):
            continue
        number = requirements.count("\n", 0, passage.start) + 1
        for word in line.split():
            if _is_term(word):
                term = found.setdefault(
                    singular(word), _Term(singular(word), number, context=_short(passage.text))
                )
                term.count += 1
    yield from found.values()


def _is_term(word: str) -> bool:
    return (
        len(word) > 2
        and is_word(word)
        and word not in STOP_WORDS
        and word not in _COMMON
        and any(char.isalpha() for char in word)
        and not word.endswith("ly")
    )


def _vocabulary(diagram: Diagram) -> frozenset[str]:
    names = [
        *(entity.name for entity in diagram.entities),
        *(attribute.name for entity in diagram.entities for attribute in entity.attributes),
        *(relation.label for relation in diagram.relationships),
    ]
    words = {singular(word) for name in names for word in words_of(name)}
    return frozenset(words | {"".join(words_of(name)) for name in names} | {_stem(word) for word in words})


def _is_covered(term: str, answered: frozenset[str]) -> bool:
    parts = [singular(part) for part in words_of(term)]
    return (
        term in answered
        or "".join(parts) in answered
        or all(part in answered or _stem(part) in answered for part in parts)
    )


def _stem(word: str) -> str:
    """Enough of a stem to meet borrow, borrowed and borrowing."""
    for ending in ("ing", "ed", "er", "e", "s"):
        if word.endswith(ending) and len(word) - len(ending) >= 4:
            return word[: -len(ending)]
    return word


def _short(text: str) -> str:
    return text if len(text) <= 60 else text[:59] + "…"
