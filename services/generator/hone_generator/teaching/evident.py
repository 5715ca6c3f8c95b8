"""Which passages an answer's evidence names for an element, by identities."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from hone_contracts.artifacts import Evidence
from hone_generator.teaching.target import Member
from hone_generator.text.naming import identity

_RELATION = re.compile(r"relationship:(.{1,200}?)-(?:1:1|1:N|N:1|N:M)-(.{1,200})", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Evident:
    entities: dict[str, set[int]] = field(default_factory=dict)
    attributes: dict[Member, set[int]] = field(default_factory=dict)
    relations: dict[frozenset[str], set[int]] = field(default_factory=dict)


def evident(evidence: Iterable[Evidence], passages: Sequence[str]) -> Evident:
    """Evidence is taken from whoever gives it: what names no element or no passage says nothing."""
    places: dict[str, set[int]] = {}
    for index, text in enumerate(passages):
        places.setdefault(text, set()).add(index)
    found = Evident()
    for each in evidence:
        kind, _, name = each.element.partition(":")
        indexes = places.get(each.text, set())
        if kind == "entity":
            found.entities.setdefault(identity(name), set()).update(indexes)
        elif kind == "attribute":
            owner, _, own = name.rpartition(".")
            found.attributes.setdefault((identity(owner), identity(own)), set()).update(indexes)
        elif ends := _RELATION.fullmatch(each.element):
            pair = frozenset((identity(ends[1]), identity(ends[2])))
            found.relations.setdefault(pair, set()).update(indexes)
    return found
