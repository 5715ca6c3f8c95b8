"""Keys that a careful modeller adds although nobody states them; each is marked as derived.

An entity without a stated key has an attribute that is one by its name (`id`, `member_id` of Member), or gets a
surrogate `id`. The many side of a relationship gets a foreign key to the one side, so does the second end of a
1:1 (there it is unique); an N:M gets none, since its keys live in a table of its own.
"""

from collections.abc import Iterable

from hone_generator.artifacts.mermaid_erd.ir import Attribute, Diagram, Entity, Key, Relationship
from hone_generator.text import naming

SURROGATE = Attribute(name="id", type="int", keys=("PK",), derived=True)


def with_keys(diagram: Diagram) -> Diagram:
    """The diagram with a primary key in every entity and foreign keys where its relationships put them."""
    entities = {entity.name: _with_primary_key(entity) for entity in diagram.entities}
    for relation in diagram.relationships:
        if relation.cardinality == "N:M":
            continue
        parent, child = _parent_and_child(relation)
        if parent in entities and child in entities:
            entities[child] = _with_foreign_key(entities[child], entities[parent], relation)
    return diagram.model_copy(update={"entities": tuple(entities.values())})


def is_surrogate(attribute: Attribute) -> bool:
    """Whether it is the key that an entity gets without a word of anybody."""
    return (attribute.name, attribute.type, attribute.keys) == (
        SURROGATE.name,
        SURROGATE.type,
        SURROGATE.keys,
    )


def related(diagram: Diagram) -> dict[str, set[str]]:
    """The entities that each is related to, by identities; itself only where it is related to itself."""
    found: dict[str, set[str]] = {}
    for relation in diagram.relationships:
        from_, to = naming.identity(relation.from_), naming.identity(relation.to)
        found.setdefault(from_, set()).add(to)
        found.setdefault(to, set()).add(from_)
    return found


def is_brought(attribute: Attribute, others: Iterable[str]) -> bool:
    """Whether a relationship with one of the others brings this foreign key, at whichever end of a 1:1 it stands."""
    name = naming.identity(attribute.name)
    return "FK" in attribute.keys and any(name.startswith((end, f"parent{end}")) for end in others)


def _with_primary_key(entity: Entity) -> Entity:
    if entity.primary_key:
        first = entity.primary_key
        rest = tuple(attribute for attribute in entity.attributes if attribute not in first)
        return entity.model_copy(update={"attributes": (*first, *rest)})
    own = {"id", naming.identity(f"{entity.name} id")}
    for place, attribute in enumerate(entity.attributes):
        if naming.identity(attribute.name) in own:
            key = attribute.model_copy(update={"keys": ("PK",)})
            rest = (*entity.attributes[:place], *entity.attributes[place + 1 :])
            return entity.model_copy(update={"attributes": (key, *rest)})
    return entity.model_copy(update={"attributes": (SURROGATE, *entity.attributes)})


def _parent_and_child(relation: Relationship) -> tuple[str, str]:
    return (relation.to, relation.from_) if relation.cardinality == "N:1" else (relation.from_, relation.to)


def _with_foreign_key(child: Entity, parent: Entity, relation: Relationship) -> Entity:
    if len(parent.primary_key) != 1:
        return child  # a composite key would need as many columns; the relationship itself says enough
    target = parent.primary_key[0]
    name = _foreign_name(parent, target, itself=child.name == parent.name)
    marks: tuple[Key, ...] = ("FK", "UK") if relation.cardinality == "1:1" else ("FK",)
    names = {naming.identity(name), naming.identity(parent.name)} - {naming.identity(child.name)}
    for place, attribute in enumerate(child.attributes):
        if naming.identity(attribute.name) in names:
            marked = attribute.model_copy(update={"keys": tuple(dict.fromkeys((*attribute.keys, *marks)))})
            rest = child.attributes[place + 1 :]
            return child.model_copy(update={"attributes": (*child.attributes[:place], marked, *rest)})
    column = Attribute(name=name, type=target.type, keys=marks, evidence=relation.evidence, derived=True)
    return child.model_copy(update={"attributes": (*child.attributes, column)})


def _foreign_name(parent: Entity, target: Attribute, *, itself: bool) -> str:
    """member_id for Member.id, book_isbn for Book.isbn, member_number for Member.member_number."""
    owner = naming.attribute_name(parent.name)
    own = target.name if target.name.startswith(f"{owner}_") else f"{owner}_{target.name}"
    return f"parent_{own}" if itself else own
