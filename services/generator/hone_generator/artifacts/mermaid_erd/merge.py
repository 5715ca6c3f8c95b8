"""Facts of many passages made into one diagram.

Rules, each for what a careful modeller expects:

- Names that differ in number, case, spaces, hyphens or underscores are one (`naming.identity`).
- Both ends of a relationship are entities, whether or not anything else was said of them.
- A clause speaks for its own direction. Of several about one pair, "many" wins on each side: A has many B
  together with B has many A is N:M; 1:1 together with 1:N is 1:N, since "one" in one clause denies nothing.
- What is drawn as an attribute but has attributes or relationships of its own is an entity: the attribute
  becomes a relationship (N:1; 1:N where its name is a plural). A name of which nothing is known but that
  another entity has it as an attribute is that attribute, and no entity.
- The system that is specified is no entity of its data, unless it has attributes.
- `keys` adds what nobody states: primary keys and foreign keys, marked as derived.

The result depends on the facts and their places alone: not on the order in which answers arrived, and the
same answer given twice changes nothing.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field, replace

from hone_contracts.erd_facts import (
    Attributes,
    AttributeType,
    Cardinality,
    Entities,
    Fact,
    Facts,
    Keys,
    Relation,
)
from hone_generator.artifacts.mermaid_erd.attribute_types import settled_type
from hone_generator.artifacts.mermaid_erd.ir import Attribute, Diagram, Entity, Key, Relationship
from hone_generator.artifacts.mermaid_erd.keys import with_keys
from hone_generator.artifacts.mermaid_erd.labels import label_between
from hone_generator.text import naming

_SYSTEMS = frozenset(
    """
    system application app platform software database website webapp site program tool solution
    """.split()  # noqa: SIM905 - a list of quoted words is not readable
)


@dataclass(frozen=True, slots=True)
class Answer:
    """The facts of one passage: its index, its text normalised, what was said of it. Facts of which nobody
    knows the passage have None: they come last and give no evidence."""

    index: int | None
    text: str
    facts: Facts


@dataclass(slots=True)
class _Attribute:
    name: str
    types: list[AttributeType] = field(default_factory=list)
    keys: set[Key] = field(default_factory=set)
    evidence: set[int] = field(default_factory=set)


@dataclass(slots=True)
class _Entity:
    name: str
    attributes: dict[str, _Attribute] = field(default_factory=dict)
    evidence: set[int] = field(default_factory=set)


@dataclass(slots=True)
class _Relationship:
    """Seen from its first end: whether one of each has many of the other."""

    from_: str
    to: str
    many_from: bool = False
    many_to: bool = False
    label: str = ""
    evidence: set[int] = field(default_factory=set)


def merge(answers: Iterable[Answer]) -> Diagram:
    """One diagram of all answers, with keys."""
    model = _Model()
    for answer in _in_text_order(answers):
        for fact in answer.facts:
            model.add(fact, answer)
    model.promote()
    model.drop_attributes_drawn_as_entities()
    model.drop_systems()
    return with_keys(model.diagram())


def _in_text_order(answers: Iterable[Answer]) -> list[Answer]:
    once = {
        (answer.index is None, answer.index or 0, answer.text, repr(answer.facts)): answer
        for answer in answers
    }
    return [once[place] for place in sorted(once)]


def _evidence(answer: Answer) -> set[int]:
    return set() if answer.index is None else {answer.index}


class _Model:
    def __init__(self) -> None:
        self.entities: dict[str, _Entity] = {}
        self.relationships: dict[tuple[str, str], _Relationship] = {}

    def add(self, fact: Fact, answer: Answer) -> None:
        match fact:
            case Entities(names):
                for name in names:
                    self._entity(name, _evidence(answer))
            case Attributes(entity, types):
                owner = self._entity(entity, _evidence(answer))
                for name, kind in types.items():
                    self._attribute(owner, name, _evidence(answer)).types.append(kind)
            case Keys(entity, keys):
                owner = self._entity(entity, _evidence(answer))
                for name, key in keys.items():
                    self._attribute(owner, name, _evidence(answer)).keys.add(key)
            case Relation():
                self._relate(fact, answer)

    def _entity(self, name: str, evidence: set[int]) -> _Entity:
        entity = self.entities.setdefault(naming.identity(name), _Entity(naming.entity_name(name)))
        entity.evidence |= evidence
        return entity

    def _attribute(self, owner: _Entity, name: str, evidence: set[int]) -> _Attribute:
        attribute = owner.attributes.setdefault(
            naming.identity(name), _Attribute(naming.attribute_name(name))
        )
        attribute.evidence |= evidence
        return attribute

    def _relate(self, fact: Relation, answer: Answer) -> None:
        self._entity(fact.from_, _evidence(answer))
        self._entity(fact.to, _evidence(answer))
        label = label_between(answer.text, fact.from_, fact.to)
        self._connect(
            naming.identity(fact.from_), naming.identity(fact.to), fact.cardinality, label, _evidence(answer)
        )

    def _connect(self, from_: str, to: str, cardinality: Cardinality, label: str, evidence: set[int]) -> None:
        many_from, many_to = cardinality in ("N:1", "N:M"), cardinality in ("1:N", "N:M")
        if from_ == to and many_from != many_to:
            many_from, many_to = False, True  # "reports to one" and "manages many" are one statement
        elif (to, from_) in self.relationships and from_ != to:
            from_, to, many_from, many_to, label = to, from_, many_to, many_from, ""
        relation = self.relationships.setdefault((from_, to), _Relationship(from_, to))
        relation.many_from |= many_from
        relation.many_to |= many_to
        relation.label = relation.label or label
        relation.evidence |= evidence

    def promote(self) -> None:
        """Attributes that are entities become relationships."""
        related = {end for pair in self.relationships for end in pair}
        for key, entity in self.entities.items():
            for name, attribute in list(entity.attributes.items()):
                target = self.entities.get(name)
                if target is None or not (target.attributes or name in related) or attribute.keys:
                    continue
                del entity.attributes[name]
                if name != key and not self.relationships.keys() & {(key, name), (name, key)}:
                    several = naming.words_of(attribute.name)[-1] != naming.singular(
                        naming.words_of(attribute.name)[-1]
                    )
                    self._connect(key, name, "1:N" if several else "N:1", "has", attribute.evidence)

    def drop_attributes_drawn_as_entities(self) -> None:
        related = {end for pair in self.relationships for end in pair}
        drawn = {name for entity in self.entities.values() for name in entity.attributes}
        for name in drawn & self.entities.keys() - related:
            if not self.entities[name].attributes:
                del self.entities[name]

    def drop_systems(self) -> None:
        for name in [name for name, entity in self.entities.items() if self._is_system(entity)]:
            if len(self.entities) > 1:
                del self.entities[name]
                self.relationships = {ends: r for ends, r in self.relationships.items() if name not in ends}

    def _is_system(self, entity: _Entity) -> bool:
        return not entity.attributes and naming.words_of(entity.name)[-1] in _SYSTEMS

    def diagram(self) -> Diagram:
        return Diagram(
            entities=tuple(_drawn_entity(entity) for entity in self.entities.values()),
            relationships=tuple(self._drawn(relation) for relation in self.relationships.values()),
        )

    def _drawn(self, relation: _Relationship) -> Relationship:
        """Drawn from the one to the many where there is one, as most people read it."""
        if relation.many_from and not relation.many_to:
            turned = _Relationship(relation.to, relation.from_, False, True)
            relation = replace(turned, evidence=relation.evidence, label=_passive(relation.label))
        cardinality: Cardinality = "1:1"
        if relation.many_to:
            cardinality = "N:M" if relation.many_from else "1:N"
        return Relationship(
            from_=self.entities[relation.from_].name,
            to=self.entities[relation.to].name,
            cardinality=cardinality,
            label=relation.label or "has",
            evidence=tuple(sorted(relation.evidence)),
        )


def _passive(label: str) -> str:
    """A verb read against its direction would state the opposite; "has" is true of a parent."""
    return "has" if label else ""


def _drawn_entity(entity: _Entity) -> Entity:
    return Entity(
        name=entity.name,
        attributes=tuple(
            Attribute(
                name=attribute.name,
                type=settled_type(attribute.name, attribute.types),
                # A primary key is unique already.
                keys=("PK",) if "PK" in attribute.keys else tuple(attribute.keys),
                evidence=tuple(sorted(attribute.evidence)),
            )
            for attribute in entity.attributes.values()
        ),
        evidence=tuple(sorted(entity.evidence)),
    )
