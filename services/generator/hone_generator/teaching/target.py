"""What a corrected diagram states, by the identities that merging folds names to."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TypeAlias

from hone_contracts.erd_facts import AttributeType, Cardinality, Key
from hone_generator.artifacts.mermaid_erd.attribute_types import attribute_type
from hone_generator.artifacts.mermaid_erd.ir import Attribute, Diagram
from hone_generator.artifacts.mermaid_erd.keys import is_brought, related
from hone_generator.text.naming import identity

Member: TypeAlias = tuple[str, str]
"""Identities of an entity and of its attribute."""

Ends: TypeAlias = tuple[str, str]
"""Identities of the two ends of a relation, in the order of the diagram."""

_CARDINALITIES: dict[tuple[bool, bool], Cardinality] = {
    (False, False): "1:1",
    (False, True): "1:N",
    (True, False): "N:1",
    (True, True): "N:M",
}


@dataclass(frozen=True, slots=True)
class Target:
    """Names as the diagram writes them; `many` tells of each relation whether its ends stand for several."""

    entities: dict[str, str]
    attributes: dict[Member, str]
    types: dict[Member, AttributeType]
    keys: dict[Member, Key]
    many: dict[Ends, tuple[bool, bool]]

    def owned(self, entity: str) -> list[str]:
        return [name for owner, name in self.attributes if owner == entity]

    def ends(self, one: str, other: str) -> Ends | None:
        """The relation between two entities, as it is written in the diagram."""
        return next((ends for ends in ((one, other), (other, one)) if ends in self.many), None)


def target_of(diagram: Diagram) -> Target:
    """Of several elements with one identity the first counts; "many" wins in relations, as it does in merging. What
    ends at no entity is left out."""
    entities: dict[str, str] = {}
    target = Target(entities, {}, {}, {}, {})
    for entity in diagram.entities:
        own = identity(entity.name)
        if entities.setdefault(own, entity.name) != entity.name:
            continue
        for attribute in entity.attributes:
            _add(target, (own, identity(attribute.name)), attribute)
    for relation in diagram.relationships:
        ends = (identity(relation.from_), identity(relation.to))
        if entities.keys() >= set(ends):
            _relate(target, ends, relation.cardinality)
    others = related(diagram)
    for entity in diagram.entities:
        own = identity(entity.name)
        for attribute in entity.attributes:
            if is_brought(attribute, others.get(own, ())):
                target.attributes.pop((own, identity(attribute.name)), None)
    return target


def cardinality_of(many_from: bool, many_to: bool) -> Cardinality:
    return _CARDINALITIES[many_from, many_to]


def unlike(target: Target, made: Target) -> Iterable[str]:
    """What of the target is missing or different in what was made, and what is there without it."""
    yield from (f"entity {name}" for own, name in target.entities.items() if own not in made.entities)
    for member, name in target.attributes.items():
        place = f"{target.entities[member[0]]}.{name}"
        if member not in made.attributes:
            if member[0] in made.entities:  # else it is missing with all that it has
                yield f"attribute {place}"
            continue
        if made.types[member] != target.types[member]:
            yield f"type {target.types[member]} of {place}"
        if made.keys.get(member) != target.keys.get(member):
            yield f"key {target.keys.get(member) or 'none'} of {place}"
    for ends, many in target.many.items():
        found = made.ends(*ends)
        if found is None or (made.many[found] if found == ends else made.many[found][::-1]) != many:
            yield f"relationship {_named(target, ends)}"
    yield from (f"no entity {name}" for own, name in made.entities.items() if own not in target.entities)
    yield from (
        f"no relationship {_named(made, ends)}"
        for ends in made.many
        if target.ends(*ends) is None and target.entities.keys() >= set(ends)
    )


def _add(target: Target, member: Member, attribute: Attribute) -> None:
    if member in target.attributes:
        return
    target.attributes[member] = attribute.name
    target.types[member] = attribute_type(attribute.type, attribute.name)
    if "PK" in attribute.keys:
        target.keys[member] = "PK"
    elif (
        "UK" in attribute.keys and "FK" not in attribute.keys
    ):  # the second end of a 1:1 is unique by convention
        target.keys[member] = "UK"


def _relate(target: Target, ends: Ends, cardinality: Cardinality) -> None:
    many_from, many_to = cardinality in ("N:1", "N:M"), cardinality in ("1:N", "N:M")
    if ends[0] == ends[1] and many_from != many_to:
        many_from, many_to = False, True
    known = target.ends(*ends) or ends
    if known != ends:
        many_from, many_to = many_to, many_from
    before = target.many.get(known, (False, False))
    target.many[known] = (before[0] or many_from, before[1] or many_to)


def _named(target: Target, ends: Ends) -> str:
    cardinality = cardinality_of(*target.many[ends])
    return f"{target.entities[ends[0]]} {cardinality} {target.entities[ends[1]]}"
