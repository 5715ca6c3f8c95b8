"""Which clauses may state a relation: both ends stand there, or one of them is the subject."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import product

from hone_contracts.erd_facts import Cardinality
from hone_generator.teaching.mentions import Line, Mention
from hone_generator.teaching.target import Ends, Target, cardinality_of

CLEAR = 2.0  # from here on a clause states the relation; below, the names merely stand together
_FURTHEST = 60
_AUXILIARIES = frozenset(
    "and or with in of for is are was were be must can may have has should shall will need needs".split()  # noqa: SIM905
)
_OWN_CLAUSES = frozenset({"we", "i", "you", "there", "when", "whenever", "if", "for", "from", "the", "our"})


@dataclass(frozen=True, slots=True)
class StatedRelation:
    """One way to read a relation out of a passage, in the direction of the clause. `forward`: that is also the
    direction of the diagram. `begin` and `place` are where its ends stand, -1 is the subject line."""

    ends: Ends
    passage: int
    from_: str
    to: str
    cardinality: Cardinality
    forward: bool
    begin: int
    place: int
    likely: float


def stated_relations(target: Target, line: Line, passage: int, in_list: bool) -> Iterator[StatedRelation]:
    """The best reading of each direction of each relation of the target. `in_list`: the passage is a list's item."""
    for ends in target.many:
        for forward in (True, False) if ends[0] != ends[1] else (True,):
            first, second = ends if forward else ends[::-1]
            found = [
                *_together(target, line, first, second),
                *_through_subject(target, line, first, second, in_list),
            ]
            if found:
                likely, from_, to = max(found, key=lambda way: way[0])
                many = target.many[ends] if forward else target.many[ends][::-1]
                cardinality = _as_said(line, from_, to, *many)
                words, begin = (from_, -1) if isinstance(from_, str) else (from_.surface, from_.begin)
                yield StatedRelation(
                    ends, passage, words, to.surface, cardinality, forward, begin, to.begin, likely
                )


_Way = tuple[float, Mention | str, Mention]


def _together(target: Target, line: Line, first: str, second: str) -> Iterator[_Way]:
    for one, other in product(line.mentions.get(first, ()), line.mentions.get(second, ())):
        if one.end <= other.begin:
            yield _likely(target, line, one, other), one, other


def _likely(target: Target, line: Line, one: Mention, other: Mention) -> float:
    likely = CLEAR + 0.5
    if one.is_doubtful or other.is_doubtful:
        likely -= 1.5
    if line.segments[one.begin] != line.segments[other.begin] and not line.refers_back(one.end, other.begin):
        likely -= 1.0
    listed = line.is_list(one.end, other.begin) and not _is_mutual(line, one, other)
    if listed or _ends_a_list(line, one, other, target):
        likely -= 1.0
    before = line.entities_between(_clause_begin(line, one), one.begin, target.entities)
    if before and (
        line.entities_between(one.end, other.begin, target.entities)
        or ("and" in line.words[one.end : other.begin] and not line.refers_back(one.end, other.begin))
    ):
        likely -= 1.0
    return likely - min(other.begin - one.end, _FURTHEST) / (2 * _FURTHEST) - one.begin / 400


def _clause_begin(line: Line, mention: Mention) -> int:
    return line.segments.index(line.segments[mention.begin])


def _is_mutual(line: Line, one: Mention, other: Mention) -> bool:
    """ "Students and courses go together" relates the two, "students and courses are stored" does not."""
    following = line.words[other.end : other.end + 1]
    return (
        one.begin <= 1 and bool(following) and following[0][:1].isalpha() and following[0] not in _AUXILIARIES
    )


def _ends_a_list(line: Line, one: Mention, other: Mention, target: Target) -> bool:
    """ "We store the level's number and, for spaces, the width": attributes part the two, and no verb follows."""
    last = line.last_mention_before(other.begin)
    if last is None or last[0] in target.entities or last[1].begin < one.end:
        return False
    return line.is_bare(last[1].end, other.begin)


def _through_subject(target: Target, line: Line, first: str, second: str, in_list: bool) -> Iterator[_Way]:
    if first not in line.carried:
        return
    for other in line.mentions.get(second, ()):
        spoken_of = line.begins_with_pronoun or (in_list and line.words[0] not in _OWN_CLAUSES)
        likely = CLEAR + 0.4 if spoken_of else CLEAR - 0.8
        if other.is_doubtful:
            likely -= 1.5
        if line.entities_between(0, other.begin, target.entities) and not line.begins_with_pronoun:
            likely -= 1.0
        own = [each.begin for each in line.mentions.get(first, ()) if not each.covered]
        if own and (min(own) < other.begin or not line.begins_with_pronoun):
            likely -= 1.0  # the passage names it itself
        yield likely - min(other.begin, _FURTHEST) / (4 * _FURTHEST), line.carried[first], other


def _as_said(line: Line, from_: Mention | str, to: Mention, many_from: bool, many_to: bool) -> Cardinality:
    """N:M is mostly said one end at a time: "each student attends many courses" is 1:N by itself."""
    if many_from and many_to:
        if isinstance(from_, Mention) and from_.plural and not line.is_each_of(from_):
            return "N:M"
        return "1:N" if line.is_many(to) else "N:M"
    return cardinality_of(many_from, many_to)
