"""Relations that requirements state in plain words, held against the links of an artifact.

A claim is read from a sentence where a thing of the artifact is the subject ("each member …"), another one follows
with a verb of data or an amount before it ("… has many loans", "… belongs to exactly one branch"). Only things that
the artifact has are looked for: what is missing altogether is the terms' business.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from hone_contracts.erd_facts import MAX_NAME_WORDS
from hone_generator.artifacts.kind import Link, Outline
from hone_generator.text.naming import identity, singular, words_of
from hone_generator.validators.requirements import Statement

RELATION_WEIGHT = 5.0  # of a relation, beside 1 to 3 of a term: relations are what models get wrong
_WRONG_AMOUNT = 3.0

_VERBS = frozenset(
    """
    has have having contains contain consists consist includes include comprises comprise holds hold owns own
    owned belongs belong assigned linked associated related stores store keeps keep records record places place
    """.split()  # noqa: SIM905 - a list of quoted words is not readable
)
_MANY = frozenset("many several multiple numerous various".split())  # noqa: SIM905 - as above
_NOT = frozenset("not no never without cannot neither nor than".split())  # noqa: SIM905 - as above
_BREAKS = frozenset(". ; : ( ) ? ! which who that where when if because".split())  # noqa: SIM905 - as above
_FARTHEST = 5  # words before a name in which its amount stands
_MOST_CLAIMS = 2_000
_HEAD = 2  # letters


@dataclass(frozen=True, slots=True)
class _Claim:
    """``many`` of ``to`` for each ``from_``; None where the sentence leaves it open."""

    from_: str
    to: str
    many: bool | None
    statement: Statement


@dataclass(frozen=True, slots=True)
class Unanswered:
    lost: float
    message: str


def unanswered_relations(outline: Outline, statements: Iterable[Statement]) -> tuple[int, list[Unanswered]]:
    """How many relations the statements claim between things of the artifact, and what is wrong with them."""
    if outline.links is None:
        return 0, []
    types = {identity(name.text): name.text for name in outline.names if name.role == "type"}
    known = _Vocabulary.of(types)
    claims = _distinct(claim for each in statements for claim in _claims(each, known))
    several = {(claim.from_, claim.to) for claim in claims if claim.many}
    links = _Links(outline.links)
    found = [links.judge(claim, types, several) for claim in claims]
    return len(claims), [each for each in found if each is not None]


def _distinct(claims: Iterable[_Claim]) -> list[_Claim]:
    """One claim for each pair and amount; an open one adds nothing where another says the amount."""
    kept: dict[tuple[str, str, bool | None], _Claim] = {}
    for claim in claims:
        kept.setdefault((claim.from_, claim.to, claim.many), claim)
        if len(kept) >= _MOST_CLAIMS:
            break
    told = {(from_, to) for from_, to, many in kept if many is not None}
    return [claim for (from_, to, many), claim in kept.items() if many is not None or (from_, to) not in told]


@dataclass(frozen=True, slots=True)
class _Spot:
    begin: int
    end: int
    type: str


@dataclass(frozen=True, slots=True)
class _Vocabulary:
    """What names can be. ``heads`` are their first letters, which most words of a text do not have."""

    types: frozenset[str]
    heads: frozenset[str]
    most_words: int

    @classmethod
    def of(cls, types: dict[str, str]) -> "_Vocabulary":
        most = max((len(words_of(name)) for name in types.values()), default=0)
        return cls(frozenset(types), frozenset(key[:_HEAD] for key in types), min(most, MAX_NAME_WORDS))

    def may_begin(self, word: str) -> bool:
        head = word[:_HEAD]
        return (
            head in self.heads
            or len(word) <= _HEAD
            or not head.isalnum()
            or singular(word)[:_HEAD] in self.heads
        )


def _claims(statement: Statement, types: _Vocabulary) -> Iterator[_Claim]:
    if statement.row:
        return
    words = statement.words
    subject: _Spot | None = None
    previous = 0
    for spot in _spots(words, types):
        between = words[subject.end : spot.begin] if subject else ()
        near = words[max(previous, spot.begin - _FARTHEST) : spot.begin]
        begins = subject is None or _begins_clause(words, spot) or not _BREAKS.isdisjoint(between)
        if begins or subject is None:
            subject = spot
        elif subject.type != spot.type and _NOT.isdisjoint(between):
            many = _amount(near, between)
            if many is not None or not _VERBS.isdisjoint(between):
                yield _Claim(subject.type, spot.type, many, statement)
        previous = spot.end


def _spots(words: Sequence[str], known: _Vocabulary) -> Iterator[_Spot]:
    """Where names of types stand, the longest first, none within another."""
    begin = 0
    for place, word in enumerate(words):
        if place < begin or not known.may_begin(word):
            continue
        for length in range(min(known.most_words, len(words) - place), 0, -1):
            span = words[place : place + length]
            key = "".join((*span[:-1], singular(span[-1]))).replace("-", "").replace("_", "")
            if key in known.types:
                begin = place + length
                yield _Spot(place, begin, key)
                break


def _begins_clause(words: Sequence[str], spot: _Spot) -> bool:
    return spot.begin > 0 and words[spot.begin - 1] in ("each", "every")


def _amount(near: Sequence[str], between: Sequence[str]) -> bool | None:
    """What the words before a name say of how many there are; the nearest amount counts."""
    text = f" {' '.join(near)} "
    if (
        not _MANY.isdisjoint(near)
        or " or more " in text
        or " any number of " in text
        or " at least one " in text
    ):
        return True
    if any(amount in text for amount in (" exactly one ", " at most one ", " only one ", " a single ")):
        return False
    belongs = not {"belongs", "belong"}.isdisjoint(between)
    if belongs and not {"a", "an", "one"}.isdisjoint(near[-2:]):
        return False
    return False if near[-1:] == ("one",) else None


class _Links:
    def __init__(self, links: Sequence[Link]) -> None:
        self._neighbours: dict[str, set[str]] = {}
        self._many: dict[tuple[str, str], list[bool | None]] = {}
        for link in links:
            from_, to = identity(link.from_), identity(link.to)
            self._neighbours.setdefault(from_, set()).add(to)
            self._neighbours.setdefault(to, set()).add(from_)
            self._many.setdefault((from_, to), []).append(link.many_to)
            self._many.setdefault((to, from_), []).append(link.many_from)

    def judge(self, claim: _Claim, types: dict[str, str], several: set[tuple[str, str]]) -> Unanswered | None:
        from_, to = types[claim.from_], types[claim.to]
        where = f"line {claim.statement.line}: {claim.statement.shown!r}"
        ends = self._many.get((claim.from_, claim.to))
        if ends is None:
            if self._joined(claim):
                return None
            return Unanswered(
                RELATION_WEIGHT,
                f"{where} relates {from_} and {to}, which nothing connects: add that relation",
            )
        told = [many for many in ends if many is not None]
        if claim.many is None or not told or claim.many in told:
            return None
        if claim.many:
            return Unanswered(
                _WRONG_AMOUNT,
                f"{where}: one {from_} has many {to}, but the artifact has one: make that end many",
            )
        if (claim.from_, claim.to) in several:
            return None
        return Unanswered(
            _WRONG_AMOUNT, f"{where}: one {from_} has one {to}, but the artifact has many: make that end one"
        )

    def _joined(self, claim: _Claim) -> bool:
        """Through a third thing, as a table between two that have many of each other."""
        own = self._neighbours.get(claim.from_, set())
        return not own.isdisjoint(self._neighbours.get(claim.to, set()))
