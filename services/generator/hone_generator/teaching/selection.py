"""Which passage states what, where several may.

The starter reads each passage by itself, so what several clearly state is taught in each of them. What none clearly
states is taught where the evidence has it, else where it is read most surely, else first. Words that one entity's
attribute takes are not taken by another's as long as there is another place for it ("each pet has an owner and a
name").
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

from hone_contracts.erd_facts import Cardinality
from hone_generator.teaching.attributes import StatedAttribute
from hone_generator.teaching.evident import Evident
from hone_generator.teaching.mentions import Mention
from hone_generator.teaching.relations import CLEAR, StatedRelation
from hone_generator.teaching.target import Ends, Member, Target

_LIKELY_ATTRIBUTE = 2.2
_CLEAR = 2.4
_EVIDENT = 4.0
_TAKEN = 2.0  # less likely by this where the words are another entity's attribute already
_LIKELY_KEY = 1.5


@dataclass(frozen=True, slots=True)
class Cue:
    """Words of a passage that speak of a key."""

    primary: bool
    unique: bool


@dataclass(frozen=True, slots=True)
class Stated:
    """All that a passage may state."""

    attributes: tuple[StatedAttribute, ...]
    relations: tuple[StatedRelation, ...]
    entities: dict[str, Mention]
    cue: Cue


@dataclass(slots=True)
class Selection:
    """What is taught in which passages; an attribute's key may be stated elsewhere than the attribute."""

    attributes: dict[Member, set[int]] = field(default_factory=dict)
    keys: dict[Member, set[int]] = field(default_factory=dict)
    relations: dict[tuple[Ends, bool], dict[int, Cardinality]] = field(default_factory=dict)
    entities: dict[str, int] = field(default_factory=dict)


def provisional(stated: Stated, passage: int) -> Selection:
    """What one passage states by itself: enough to know what the next one's "it" is."""
    selection = Selection()
    for attribute in stated.attributes:
        if attribute.likely >= _LIKELY_ATTRIBUTE:
            selection.attributes[attribute.member] = {passage}
    for relation in stated.relations:
        if relation.likely >= CLEAR:
            selection.relations[relation.ends, relation.forward] = {passage: relation.cardinality}
    return selection


def select(target: Target, stated: Sequence[Stated], known: Evident) -> Selection:
    selection = Selection()
    _select_attributes(selection, stated, known)
    _select_keys(target, selection, stated)
    _select_relations(target, selection, stated, known)
    _select_entities(target, selection, stated, known)
    return selection


def is_conventional_key(member: Member) -> bool:
    """A key that merging sees by its name."""
    owner, name = member
    return name in {"id", f"{owner}id"}


def _select_attributes(selection: Selection, stated: Sequence[Stated], known: Evident) -> None:
    ways: dict[Member, list[tuple[float, StatedAttribute]]] = {}
    for each in stated:
        for attribute in each.attributes:
            named = attribute.passage in known.attributes.get(attribute.member, ())
            ways.setdefault(attribute.member, []).append(
                (attribute.likely + (_EVIDENT if named else 0.0), attribute)
            )
    taken: set[tuple[int, int, int]] = set()

    def worth(way: tuple[float, StatedAttribute]) -> tuple[float, int]:
        likely, attribute = way
        return (likely - (_TAKEN if _place(attribute) in taken else 0.0), -attribute.passage)

    # First what has one place only, then the surest.
    order = sorted(ways, key=lambda member: (len(ways[member]) > 1, -max(ways[member], key=worth)[0]))
    for member in order:
        likely, best = max(ways[member], key=worth)
        if is_conventional_key(member) and likely < _LIKELY_ATTRIBUTE:
            continue  # nobody speaks of a surrogate key: "the member id" is another attribute's name
        taken.add(_place(best))
        selection.attributes[member] = {best.passage}
    for member in selection.attributes:
        again = [each for likely, each in ways[member] if likely >= _CLEAR and _place(each) not in taken]
        selection.attributes[member].update(each.passage for each in again)


def _place(attribute: StatedAttribute) -> tuple[int, int, int]:
    return attribute.passage, attribute.name.begin, attribute.name.end


def _select_keys(target: Target, selection: Selection, stated: Sequence[Stated]) -> None:
    cued: dict[Member, int] = {}
    best: dict[Member, float] = {}
    for each in stated:
        for attribute in each.attributes:
            key = target.keys.get(attribute.member)
            speaks = (key == "PK" and each.cue.primary) or (key == "UK" and each.cue.unique)
            if speaks and attribute.likely > max(best.get(attribute.member, 0.0), _LIKELY_KEY):
                best[attribute.member], cued[attribute.member] = attribute.likely, attribute.passage
    for member in target.keys:
        if member in cued:
            selection.keys[member] = {cued[member]}
        elif member in selection.attributes and not is_conventional_key(member):
            selection.keys[member] = selection.attributes[member]


def _select_relations(target: Target, selection: Selection, stated: Sequence[Stated], known: Evident) -> None:
    ways: dict[Ends, list[StatedRelation]] = {}
    for each in stated:
        for relation in each.relations:
            ways.setdefault(relation.ends, []).append(relation)
    for ends, found in ways.items():
        named = known.relations.get(frozenset(ends), set())
        clear = [each for each in found if each.likely >= CLEAR]
        likeliest = max(
            clear or found,
            key=lambda each: (each.passage in named, each.likely if not clear else 0, -each.passage),
        )
        for relation in clear or [likeliest]:
            told = selection.relations.setdefault((ends, relation.forward), {})
            told[relation.passage] = relation.cardinality
        if all(target.many[ends]) and not _says_both(selection, ends):
            selection.relations[ends, likeliest.forward][likeliest.passage] = "N:M"


def _says_both(selection: Selection, ends: Ends) -> bool:
    """Whether the clauses together say that there are many at both ends."""
    forward, back = (
        set(selection.relations.get((ends, direction), {}).values()) for direction in (True, False)
    )
    return "N:M" in forward | back or bool(forward and back)


def _select_entities(target: Target, selection: Selection, stated: Sequence[Stated], known: Evident) -> None:
    """What no other fact names."""
    named = {owner for owner, _ in selection.attributes} | {
        end for ends, _ in selection.relations for end in ends
    }
    for name in target.entities.keys() - named:
        places = [
            (each.entities[name].is_doubtful, index)
            for index, each in enumerate(stated)
            if name in each.entities
        ]
        if places:
            evident_ones = known.entities.get(name, set())
            _, selection.entities[name] = min(
                places, key=lambda place: (place[1] not in evident_ones, *place)
            )
