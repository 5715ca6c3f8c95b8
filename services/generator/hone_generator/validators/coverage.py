"""How much of what the requirements demand is in the artifact.

Explainable on purpose. Terms are the words of the sentences that the type can answer (``Outline.scope``), function
words and common verbs aside; a term is answered if a form of it stands in any name or text of the artifact. Numbers
count where the format has a place for them. Where the type tells what is connected, sentences that relate two of its
things ("each member has many loans") are held against its links, since models get the things right and the relations
wrong. Sentences that demand nothing do not count, so prose costs nothing.
"""

import re
from dataclasses import dataclass, field
from functools import lru_cache
from itertools import pairwise

from hone_contracts.artifacts import ValidatorResult
from hone_contracts.erd_facts import ATTRIBUTE_TYPES, STOP_WORDS, is_word
from hone_generator.artifacts.kind import Outline, Scope
from hone_generator.text.naming import singular, words_of
from hone_generator.text.phrases import nouns
from hone_generator.text.stems import stem
from hone_generator.validators.base import result
from hone_generator.validators.relations import RELATION_WEIGHT, unanswered_relations
from hone_generator.validators.requirements import Statement, read_requirements

NAME = "coverage"
PASS_MARK = 50  # half of the terms missing means that whole things are
_MAX_WEIGHT = 3  # a word that stands everywhere names something, but not the whole artifact
_VERB_WEIGHT = 0.25  # in a sentence about data, of a word that nothing shows to be a noun
_MOST_TERMS_SHOWN = 8
_LONGEST_WORD = 48  # longer ones are no words, and are not remembered

_NOTHING_SAID: dict[Scope, str] = {
    "data": "no sentence says what is kept about what, so there is nothing to hold the artifact against: "
    'write what each thing has, as in "each member has a name and many loans"',
    "behaviour": "no sentence says what happens, so there is nothing to hold the artifact against: "
    'write who does what and when, as in "when a loan is overdue, the system sends a reminder"',
    "everything": "no sentence demands anything, so there is nothing to hold the artifact against: "
    'write what there is and what happens, as in "each member has many loans; a member can renew a loan"',
}
# Words of requirements that name nothing, whatever they stand in.
_FILLERS = frozenset(
    """
    has have having belong belongs contain contains consist consists include includes comprise comprises hold
    holds identified unique uniquely associated related relate own owns owned need needs want wants know known
    knows system application app software platform information detail details called name named exist exists
    existing allow allows allowed able possible required require requires use uses used user-defined new old
    different thing things way case example time times number numbers amount set kind kinds type types part
    parts take takes exactly zero single simple currently later always maximum minimum optional course instance
    dozen dozens hundred hundreds thousand thousands also shall should must able make made let lets get gets
    """.split()  # noqa: SIM905 - a list of quoted words is not readable
)
# Verbs of sentences about data that name nothing in the data.
_DATA_VERBS = frozenset(
    """
    store stores stored record records recorded keep keeps kept track tracks tracked assigned assign linked link
    made make register registered registers database data following give gives given list lists place work works
    show shows see sees get gets let lets put puts add adds added create creates created update updated delete
    """.split()  # noqa: SIM905 - a list of quoted words is not readable
)
_NUMBER = re.compile(r"\d+(?:[.,]\d+)*")
_NUMBER_WORDS = {
    word: str(value)
    for value, word in enumerate("two three four five six seven eight nine ten eleven twelve".split(), 2)  # noqa: SIM905
}


@dataclass(slots=True)
class _Term:
    word: str
    statement: Statement
    number: bool = False
    weight: float = 0.0


@dataclass(slots=True)
class _Demands:
    terms: dict[str, _Term] = field(default_factory=dict)

    def add(self, word: str, statement: Statement, weight: float = 1.0, *, number: bool = False) -> None:
        term = self.terms.setdefault(word, _Term(word, statement, number))
        term.weight = min(term.weight + weight, _MAX_WEIGHT)


def check_coverage(outline: Outline, requirements: str) -> ValidatorResult:
    """The weighted share of the requirements' terms, numbers and relations that the artifact answers; by line (from
    1) what it does not, the gravest first. Requirements that demand nothing are covered by nothing."""
    statements, terms = _read(requirements, outline.scope, outline.numbers)
    if not terms:
        return result(NAME, 0, [_NOTHING_SAID[outline.scope]], passed=False)
    words, numbers = _vocabulary(outline)
    missing = [term for term in terms if not _is_answered(term, words, numbers)]
    relations, wrong = unanswered_relations(outline, statements)
    total = sum(term.weight for term in terms) + relations * RELATION_WEIGHT
    lost = sum(term.weight for term in missing) + sum(each.lost for each in wrong)
    score = 100 * (1 - lost / total)
    messages = [*(each.message for each in wrong), *_messages(missing, outline.scope)]
    return result(NAME, score, messages, passed=score >= PASS_MARK)


@lru_cache(maxsize=16)
def _read(requirements: str, scope: Scope, numbers: bool) -> tuple[tuple[Statement, ...], tuple[_Term, ...]]:
    """The statements that such an artifact can answer, and their terms: the same for every attempt."""
    statements = tuple(each for each in read_requirements(requirements).statements if each.within(scope))
    demands = _Demands()
    for statement in statements:
        named = nouns(statement.words) if scope == "data" and not statement.row else None
        for place, word in enumerate(statement.words):
            if len(word) <= _LONGEST_WORD and _is_term(word, scope, statement.row):
                weight = 1.0 if named is None or place in named else _VERB_WEIGHT
                demands.add(singular(word), statement, weight)
            elif numbers and (number := _number(word)):
                demands.add(number, statement, number=True)
    return statements, tuple(demands.terms.values())


@lru_cache(maxsize=8192)
def _is_term(word: str, scope: Scope, row: bool) -> bool:
    return (
        len(word) > 2
        and is_word(word)
        and word not in STOP_WORDS
        and word not in _FILLERS
        and not (scope == "data" and word in _DATA_VERBS)
        and not (row and word in ATTRIBUTE_TYPES)  # the column of a table that gives types
        and any(char.isalpha() for char in word)
        and not word.endswith("ly")
    )


def _number(word: str) -> str:
    if word in _NUMBER_WORDS:
        return _NUMBER_WORDS[word]
    return _plain(word) if _NUMBER.fullmatch(word) else ""


def _plain(number: str) -> str:
    """1,000 and 1000 are the same; 2.50 and 2.5 too."""
    joined = number.replace(",", "")
    whole, _, fraction = joined.partition(".")
    fraction = fraction.rstrip("0")
    return (whole.lstrip("0") or "0") + (f".{fraction}" if fraction else "")


def _vocabulary(outline: Outline) -> tuple[frozenset[str], frozenset[str]]:
    words: set[str] = set()
    numbers: set[str] = set()
    for text in {name.text for name in outline.names}:
        own = words_of(text)
        words.update(map(stem, own))
        if len(own) <= 6:
            words.add("".join(own))
            words.update("".join(pair) for pair in pairwise(own))
        if outline.numbers:
            numbers.update(_plain(found) for found in _NUMBER.findall(text))
            numbers.update(_NUMBER_WORDS[word] for word in own if word in _NUMBER_WORDS)
    return frozenset(words), frozenset(numbers)


def _is_answered(term: _Term, words: frozenset[str], numbers: frozenset[str]) -> bool:
    if term.number:
        return term.word in numbers
    parts = words_of(term.word)
    return stem(term.word) in words or "".join(parts) in words or all(stem(part) in words for part in parts)


def _messages(missing: list[_Term], scope: Scope) -> list[str]:
    """One message for each line that is not answered."""
    by_line: dict[int, list[_Term]] = {}
    telling = [term for term in missing if term.weight >= 1] or missing
    for term in sorted(telling, key=lambda term: -term.weight):
        by_line.setdefault(term.statement.line, []).append(term)
    return [_message(terms, scope) for terms in by_line.values()]


def _message(terms: list[_Term], scope: Scope) -> str:
    statement = terms[0].statement
    shown = ", ".join(f'"{term.word}"' for term in terms[:_MOST_TERMS_SHOWN])
    more = ", …" if len(terms) > _MOST_TERMS_SHOWN else ""
    are, add = ("are", "add them") if len(terms) > 1 else ("is", "add it")
    if scope == "data":
        add += " if they are data" if len(terms) > 1 else " if it is data"
    return f"line {statement.line}: {shown}{more} {are} not in the artifact ({statement.shown}): {add}"
