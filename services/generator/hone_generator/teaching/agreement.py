"""How near an artifact is to the one that is right: what both have, of types, members and relations.

Names are compared as merging folds them (number, case, spaces, underscores aside), members with their type,
relations with their multiplicity whichever way they are drawn. F1 is 2·shared / (one + other), as
`bench/starter_scores.py` has it.
"""

import re
from collections import Counter
from collections.abc import Hashable, Iterable, Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import NamedTuple, TypeVar

from hone_generator.artifacts.kind import ArtifactKind, Link, Name, Role, Subject
from hone_generator.text.naming import identity

_TYPES: frozenset[Role] = frozenset({"type", "participant", "state"})
_MEMBERS: frozenset[Role] = frozenset({"member", "action"})
_WORD = re.compile(r"\w+|[^\w\s]")
# What structure leaves open (types of attributes, labels, the wording of stories) shows in the text alone.
_SHARE_OF_TEXT = 0.2
_SHARE_OF_TEXT_WITHOUT_RELATIONS = 0.5

T = TypeVar("T", bound=Hashable)


@dataclass(frozen=True, slots=True)
class Agreement:
    """F1 scores in [0, 1]; None where neither artifact has such parts. ``overall`` is the mean of those there are."""

    types: float | None
    members: float | None
    relations: float | None

    @property
    def overall(self) -> float | None:
        there = [each for each in (self.types, self.members, self.relations) if each is not None]
        return sum(there) / len(there) if there else None


class Parts(NamedTuple):
    """What two artifacts may share, in the form in which names are compared."""

    types: frozenset[str]
    members: frozenset[tuple[str, str]]
    relations: frozenset[tuple[Hashable, ...]]


def agreement(
    kind: ArtifactKind, content: str, reference: str, options: Mapping[str, str] | None = None
) -> Agreement:
    """Of two texts of the type, as its reader sees them. Raises BadOption."""
    one, other = (parts_of(kind, text, options or {}) for text in (content, reference))
    return Agreement(
        f1(one.types, other.types), f1(one.members, other.members), f1(one.relations, other.relations)
    )


def distance(
    kind: ArtifactKind, content: str, correction: str, options: Mapping[str, str] | None = None
) -> float:
    """0 for the same text, 1 for nothing in common; linear in the texts' lengths."""
    if content == correction:
        return 0.0
    found = agreement(kind, content, correction, options)
    return distance_of(found, content, correction)


def distance_of(found: Agreement, content: str, correction: str) -> float:
    """With the agreement known."""
    if content == correction:
        return 0.0
    likeness, overall = text_likeness(content, correction), found.overall
    if overall is None:
        return 1.0 - likeness
    share = _SHARE_OF_TEXT if found.relations is not None else _SHARE_OF_TEXT_WITHOUT_RELATIONS
    return 1.0 - ((1.0 - share) * overall + share * likeness)


def text_likeness(one: str, other: str) -> float:
    """The share of words and pairs of words that both texts have, as often as both have them."""
    counts = _shingles(one), _shingles(other)
    total = counts[0].total() + counts[1].total()
    return 2.0 * (counts[0] & counts[1]).total() / total if total else 1.0


def f1(one: frozenset[T], other: frozenset[T]) -> float | None:
    total = len(one) + len(other)
    return 2.0 * len(one & other) / total if total else None


def unlike(
    kind: ArtifactKind, content: str, reference: str, options: Mapping[str, str] | None = None
) -> Iterable[str]:
    """The reference's types, members and relations that the content has not, as people would look for them."""
    one, other = (parts_of(kind, text, options or {}) for text in (content, reference))
    yield from (f"type {name}" for name in sorted(other.types - one.types))
    for owner, name in sorted(other.members - one.members):
        if not owner or owner in one.types:  # else it is missing with its type
            yield f"member {owner}.{name}" if owner else f"member {name}"
    yield from sorted(
        f"relation {'-'.join(map(str, _ends(each)))}" for each in other.relations - one.relations
    )


def _ends(relation: tuple[Hashable, ...]) -> list[Hashable]:
    return [end[0] for end in relation if isinstance(end, tuple)]


def parts_of(kind: ArtifactKind, content: str, options: Mapping[str, str]) -> Parts:
    outline = kind.read(Subject(content, options=options)).outline()
    return Parts(
        frozenset(identity(name.text) for name in outline.names if name.role in _TYPES),
        frozenset(_members(outline.names)),
        frozenset(_relation(link) for link in outline.links or ()),
    )


def _members(names: Iterable[Name]) -> Iterable[tuple[str, str]]:
    """Members follow their type in an outline."""
    owner = ""
    for name in names:
        if name.role == "type":
            owner = identity(name.text)
        elif name.role in _MEMBERS:
            yield owner, identity(name.text)


def _relation(link: Link) -> tuple[Hashable, ...]:
    """One spelling for both directions."""
    ends = (identity(link.from_), link.many_from), (identity(link.to), link.many_to)
    return min((ends, ends[::-1]), key=repr)


def _shingles(text: str) -> Counter[tuple[str, ...]]:
    words = _WORD.findall(text.casefold())
    counts: Counter[tuple[str, ...]] = Counter((word,) for word in words)
    counts.update(pairwise(words))
    return counts
