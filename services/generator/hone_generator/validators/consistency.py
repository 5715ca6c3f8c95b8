"""Whether names agree with those of the project's context.

The context is text of any kind: code, DDL, documents. Its names are the words that are written as names: with an
underscore or an inner capital, capitalised, or after a word that declares (class, table, entity). A name of the
artifact that has the same words in another spelling (case, underscores, number), or one letter wrong, is told which
one the project uses. Synonyms are not guessed.
"""

import re
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache

from hone_contracts.artifacts import ValidatorResult
from hone_generator.artifacts.kind import Name, Outline, Role
from hone_generator.text.naming import identity, singular, words_of
from hone_generator.validators.base import result

NAME = "consistency"
PASS_MARK = 50

# What one name costs of its own weight: a misspelled one is another name to every program, a plural is found by
# search, a letter's case is a convention that a format may bring with it.
_MISSPELLED, _OTHER_NUMBER, _OTHER_STYLE = 1.0, 0.6, 0.3

_NAMED_ROLES: frozenset[Role] = frozenset({"type", "member", "action", "state", "participant"})
_TOKEN = re.compile(r"[^\W\d]\w{1,79}")
_DECLARES = re.compile(
    r"\b(?:class|interface|struct|enum|record|type|table|entity|view|model|def|function|func|fn|participant|actor|state)"
    r"[ \t]{1,8}(?:if[ \t]{1,8}not[ \t]{1,8}exists[ \t]{1,8})?[\"'`\[]?([^\W\d]\w{1,79})",
    re.IGNORECASE,
)
_SENTENCE_START = re.compile(r"(?:^|[.!?:\n]\s*)\W*$")
_MOST_NAMES = 6_000  # of a context; those that stand there most often
_SHORTEST_MISSPELLED, _LONGEST_MISSPELLED = (
    6,
    40,
)  # shorter names that differ in a letter are mostly other words: form, from, farm


@dataclass(frozen=True, slots=True)
class _Known:
    """A context's names: by what they mean, the spellings there are, the commonest first; and by what is left of a
    meaning without one of its letters, the meanings."""

    spellings: dict[str, tuple[str, ...]]
    nearly: dict[str, tuple[str, ...]]


def check_consistency(outline: Outline, context: str) -> ValidatorResult:
    """100 where every name that the context has too is written as there. Names that it has not cost nothing."""
    known = _names_of(context)
    met, lost = 0, 0.0
    messages: list[tuple[float, str]] = []
    for name in dict.fromkeys(each for each in outline.names if each.role in _NAMED_ROLES):
        found = _differs(name.text, known)
        if found is None:
            continue
        met += 1
        cost, spelling = found
        if cost:
            lost += cost
            messages.append((cost, _message(name, spelling, cost)))
    score = 100 * (1 - lost / met) if met else 100
    messages.sort(key=lambda each: -each[0])
    return result(NAME, score, (message for _, message in messages), passed=score >= PASS_MARK)


def spellings_of(context: str) -> Mapping[str, tuple[str, ...]]:
    """The names of a context by what they mean (`naming.identity`), as written there, the commonest first."""
    return _names_of(context).spellings


def _differs(name: str, known: _Known) -> tuple[float, str] | None:
    """What a name costs and how the context writes it; None where the context knows no such name."""
    meaning = identity(name)
    spellings = known.spellings.get(meaning)
    if spellings is not None:
        if name in spellings:
            return 0.0, name
        same_number = [each for each in spellings if _number_of(each) == _number_of(name)]
        return (_OTHER_STYLE, same_number[0]) if same_number else (_OTHER_NUMBER, spellings[0])
    if not _SHORTEST_MISSPELLED <= len(meaning) <= _LONGEST_MISSPELLED:
        return None
    near = next(iter(_near(meaning, known)), None)
    return None if near is None else (_MISSPELLED, known.spellings[near][0])


def _number_of(name: str) -> bool:
    words = words_of(name)
    return bool(words) and singular(words[-1]) == words[-1]


def _near(meaning: str, known: _Known) -> Iterator[str]:
    """Meanings one edit away: a letter more, less, another, or two neighbours swapped. Two such words share what is
    left when each loses at most one letter."""
    for left in _shortened(meaning):
        for other in known.nearly.get(left, ()):
            if other != meaning and _one_edit_apart(meaning, other):
                yield other


def _shortened(word: str) -> Iterator[str]:
    yield word
    for place in range(len(word)):
        yield word[:place] + word[place + 1 :]


def _one_edit_apart(one: str, other: str) -> bool:
    if abs(len(one) - len(other)) > 1:
        return False
    short, long = sorted((one, other), key=len)
    begin = next(
        (i for i, pair in enumerate(zip(short, long, strict=False)) if pair[0] != pair[1]), len(short)
    )
    if len(short) < len(long):
        return short[begin:] == long[begin + 1 :]
    swapped = short[begin + 1 : begin + 2] + short[begin : begin + 1] == long[begin : begin + 2]
    return short[begin + 1 :] == long[begin + 1 :] or (swapped and short[begin + 2 :] == long[begin + 2 :])


@lru_cache(maxsize=8)
def _names_of(context: str) -> _Known:
    """At most `MAX_CONTEXT_CHARS` come here. Every attempt of a request asks for the same context."""
    counts = Counter(_written_as_names(context))
    spellings: dict[str, list[str]] = {}
    for name, _ in counts.most_common(_MOST_NAMES):
        spellings.setdefault(identity(name), []).append(name)
    nearly: dict[str, list[str]] = {}
    for meaning in spellings:
        if _SHORTEST_MISSPELLED <= len(meaning) <= _LONGEST_MISSPELLED:
            for left in _shortened(meaning):
                nearly.setdefault(left, []).append(meaning)
    return _Known(
        {meaning: tuple(each) for meaning, each in spellings.items()},
        {left: tuple(each) for left, each in nearly.items()},
    )


def _written_as_names(context: str) -> Iterator[str]:
    for declared in _DECLARES.finditer(context):
        yield declared[1]
    for token in _TOKEN.finditer(context):
        word = token[0]
        if _is_compound(word) or (
            word[0].isupper() and len(word) > 2 and not _begins_sentence(context, token.start())
        ):
            yield word


def _is_compound(word: str) -> bool:
    return "_" in word.strip("_") or (not word.isupper() and any(map(str.isupper, word[1:])))


def _begins_sentence(text: str, place: int) -> bool:
    return _SENTENCE_START.search(text[max(0, place - 8) : place]) is not None


def _message(name: Name, spelling: str, cost: float) -> str:
    where = "" if name.line is None else f"line {name.line}: "
    if cost == _MISSPELLED:
        meant = f"write {spelling} if you mean it"
        return f'{where}"{name.text}" looks like the context\'s "{spelling}" misspelled: {meant}'
    return f'{where}"{name.text}" is written "{spelling}" in the context: use that name'
