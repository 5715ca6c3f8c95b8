"""What requirements say is kept about what, in a form that several artifact types are rendered from.

The starter model speaks facts of data models alone. Read into a ``DataModel``, they make tables, schemas, classes
and resources as well as an ER diagram, without a further word of a model. An ER diagram leaves open what code may
not: which column points where, what lies between two ends that are many on both sides, what may be missing. It is
settled here, once.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace

from hone_contracts.artifacts import Evidence
from hone_contracts.erd_facts import ATTRIBUTE_TYPES, AttributeType, Cardinality
from hone_generator.artifacts.kind import Ask, Brief, Tell
from hone_generator.artifacts.mermaid_erd import reading
from hone_generator.artifacts.mermaid_erd.ir import Attribute, Diagram, Relationship
from hone_generator.artifacts.mermaid_erd.keys import with_keys
from hone_generator.text import naming


@dataclass(frozen=True, slots=True)
class Reference:
    """The key field of another (or the same) entity that a field points to."""

    entity: str
    field: str


@dataclass(frozen=True, slots=True)
class Field:
    """``required`` where an instance makes no sense without it; ``derived`` was added by convention, not stated."""

    name: str
    type: AttributeType
    primary: bool = False
    unique: bool = False
    required: bool = False
    references: Reference | None = None
    derived: bool = False


@dataclass(frozen=True, slots=True)
class ForeignKey:
    """Fields that together hold the key of ``entity``; ``unique`` where each is pointed to once at most (1:1)."""

    fields: tuple[str, ...]
    entity: str
    targets: tuple[str, ...]
    unique: bool = False


@dataclass(frozen=True, slots=True)
class Entity:
    """``joins`` are the two ends of an N:M relationship that this entity stands between; types that have
    collections (classes, schemas) leave such entities out and look at the link."""

    name: str
    fields: tuple[Field, ...] = ()
    foreign_keys: tuple[ForeignKey, ...] = ()
    joins: tuple[str, str] | None = None

    @property
    def key(self) -> tuple[Field, ...]:
        return tuple(each for each in self.fields if each.primary)


@dataclass(frozen=True, slots=True)
class Link:
    """A relationship read from left to right. ``holder`` is the entity with the fields that point to the other end;
    for N:M it is the one between them."""

    from_: str
    to: str
    cardinality: Cardinality
    label: str
    holder: str


@dataclass(frozen=True, slots=True)
class DataModel:
    """Entities have distinct names, the fields of one too, and all references and links lead to entities of the
    model."""

    entities: tuple[Entity, ...] = ()
    links: tuple[Link, ...] = ()

    def entity(self, name: str) -> Entity:
        return next(each for each in self.entities if each.name == name)

    def links_of(self, name: str) -> Iterator[tuple[Link, str, bool, bool]]:
        """The links of an entity as seen from it: the link, the other end, whether it has many of the other, and
        whether the other has many of it. A link of an entity to itself comes once from each end."""
        for link in self.links:
            many_from, many_to = link.cardinality in ("N:1", "N:M"), link.cardinality in ("1:N", "N:M")
            if link.from_ == name:
                yield link, link.to, many_to, many_from
            if link.to == name:
                yield link, link.from_, many_from, many_to


@dataclass(frozen=True, slots=True)
class ReadModel:
    """What came of reading requirements. ``evidence`` names the diagram's elements; ``diagram`` is the draft's IR."""

    model: DataModel
    diagram: Diagram
    evidence: tuple[Evidence, ...]
    notes: tuple[str, ...]


async def read_data_model(brief: Brief, ask: Ask, tell: Tell) -> ReadModel:
    """Read the requirements passage by passage (``brief.reading`` is not ``whole``). A passage whose answer is none
    is a note; only what ``ask`` raises passes through."""
    found = reading.Reading(Diagram(), (), ())
    async for event in reading.read(brief, ask):
        if isinstance(event, reading.Progress):
            await tell("reading", event.passage, done=event.done, total=event.total)
        else:
            found = event
    return ReadModel(data_model(found.diagram), found.diagram, found.evidence, found.messages)


def data_model(diagram: Diagram) -> DataModel:
    """The diagram with its foreign keys resolved and its N:M relationships given an entity between. Relationships
    that end at no entity are left out, and of two elements with one name the first counts."""
    entities: dict[str, _Draft] = {}
    for entity in with_keys(diagram).entities:
        entities.setdefault(entity.name, _Draft(entity.name, {f.name: f for f in _fields(entity.attributes)}))
    links = [link for each in diagram.relationships if (link := _linked(each, entities)) is not None]
    for draft in entities.values():
        for own in draft.fields.values():
            draft.fields[own.name] = replace(own, type=_type_of_target(own, entities))
    return DataModel(tuple(draft.done() for draft in entities.values()), tuple(links))


@dataclass(slots=True)
class _Draft:
    name: str
    fields: dict[str, Field] = field(default_factory=dict)
    foreign_keys: list[ForeignKey] = field(default_factory=list)
    joins: tuple[str, str] | None = None

    @property
    def key(self) -> list[Field]:
        return [each for each in self.fields.values() if each.primary]

    def done(self) -> Entity:
        return Entity(self.name, tuple(self.fields.values()), tuple(self.foreign_keys), self.joins)


def _fields(attributes: Iterable[Attribute]) -> Iterator[Field]:
    seen: set[str] = set()
    for each in attributes:
        if each.name not in seen:
            primary, unique = "PK" in each.keys, "UK" in each.keys
            yield Field(each.name, _type(each.type), primary, unique, primary or unique, None, each.derived)
        seen.add(each.name)


def _type(said: str) -> AttributeType:
    return next((known for known in ATTRIBUTE_TYPES if known == said), "string")


def _linked(relation: Relationship, entities: dict[str, _Draft]) -> Link | None:
    left, right = entities.get(relation.from_), entities.get(relation.to)
    if left is None or right is None:
        return None
    if relation.cardinality == "N:M":
        holder = _joined(left, right, entities)
    else:
        holder, parent = (left, right) if relation.cardinality == "N:1" else (right, left)
        optional = _needs(parent, holder, entities)
        _point(holder, parent, unique=relation.cardinality == "1:1", optional=optional)
    return Link(relation.from_, relation.to, relation.cardinality, relation.label, holder.name)


def _joined(left: _Draft, right: _Draft, entities: dict[str, _Draft]) -> _Draft:
    """The entity between two that have many of each other; its key is both of theirs."""
    holder = _Draft(_distinct(f"{left.name}{right.name}", entities), joins=(left.name, right.name))
    for parent in (left, right):
        names = []
        for target in parent.key:
            name = _distinct(_pointing_name(parent.name, target.name), holder.fields, "other_")
            reference = Reference(parent.name, target.name)
            holder.fields[name] = Field(name, target.type, True, False, True, reference, True)
            names.append(name)
        holder.foreign_keys.append(_foreign_key(names, parent))
    entities[holder.name] = holder
    return holder


def _needs(one: _Draft, other: _Draft, entities: dict[str, _Draft]) -> bool:
    """Whether none of the one can be without one of the other: a field that points back may then be missing, or
    there would be no first one of either."""
    seen: set[str] = set()
    waiting = [one.name]
    while waiting:
        name = waiting.pop()
        if name == other.name:
            return True
        if name not in seen:
            seen.add(name)
            fields = entities[name].fields.values()
            waiting += [each.references.entity for each in fields if each.references and each.required]
    return False


def _point(child: _Draft, parent: _Draft, *, unique: bool, optional: bool) -> None:
    """Fields of the child that hold the parent's key. A stated one is used."""
    itself = child is parent
    key = parent.key
    names: list[str] = []
    for target in key:
        name = _pointing_name(parent.name, target.name, prefix="parent_" if itself else "")
        own = _stated(child, parent, name, alone=len(key) == 1)
        if own is None:
            own = Field(_distinct(name, child.fields), target.type, derived=True)
        child.fields[own.name] = replace(
            own,
            unique=own.unique or (unique and len(key) == 1),
            required=own.required or not optional,
            references=Reference(parent.name, target.name),
        )
        names.append(own.name)
    child.foreign_keys.append(_foreign_key(names, parent, unique=unique))


def _foreign_key(names: list[str], parent: _Draft, *, unique: bool = False) -> ForeignKey:
    return ForeignKey(tuple(names), parent.name, tuple(each.name for each in parent.key), unique)


def _type_of_target(own: Field, entities: dict[str, _Draft]) -> AttributeType:
    """A field that points somewhere is what it points to, which may itself point on."""
    seen: set[Reference] = set()
    while own.references is not None and own.references not in seen:
        seen.add(own.references)
        own = entities[own.references.entity].fields[own.references.field]
    return own.type


def _stated(child: _Draft, parent: _Draft, name: str, *, alone: bool) -> Field | None:
    """The child's field that is meant for the parent's key: by its name or, if the key is alone, the parent's."""
    names = {naming.identity(name)}
    if alone and child is not parent:
        names.add(naming.identity(parent.name))
    return next(
        (
            each
            for each in child.fields.values()
            if naming.identity(each.name) in names and each.references is None
        ),
        None,
    )


def _pointing_name(parent: str, key: str, prefix: str = "") -> str:
    """member_id for Member.id, book_isbn for Book.isbn, member_number for Member.member_number."""
    owner = naming.attribute_name(parent)
    return prefix + (key if key.startswith(f"{owner}_") else f"{owner}_{key}")


def _distinct(name: str, taken: Iterable[str], prefix: str = "") -> str:
    names = set(taken)
    if prefix and name in names:
        name = prefix + name
    if name not in names:
        return name
    return f"{name}_{naming.free_number(lambda number: f'{name}_{number}' in names)}"
