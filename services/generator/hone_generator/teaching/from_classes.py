"""The ER diagram behind a class diagram: classes are entities, associations relationships. What only code has
(operations, inheritance) states no fact."""

from collections.abc import Iterator, Mapping

from hone_contracts.erd_facts import AttributeType
from hone_generator.artifacts.mermaid_class.checks import is_many
from hone_generator.artifacts.mermaid_class.ir import Class, ClassDiagram, Relation
from hone_generator.artifacts.mermaid_class.parse import parse
from hone_generator.artifacts.mermaid_erd.attribute_types import attribute_type, known_type
from hone_generator.artifacts.mermaid_erd.ir import Attribute, Diagram, Entity, Relationship
from hone_generator.artifacts.mermaid_erd.keys import SURROGATE
from hone_generator.teaching.target import cardinality_of

_RELATED = frozenset({"association", "aggregation", "composition"})
_NO_ENTITIES = frozenset({"enumeration", "enum", "interface", "service"})


def diagram_of_classes(content: str, options: Mapping[str, str]) -> Diagram:  # noqa: ARG001 (has none)
    diagram = parse(content).diagram
    enums = {each.name for each in diagram.classes if each.stereotype.lower() in ("enumeration", "enum")}
    kept = [each for each in diagram.classes if each.stereotype.lower() not in _NO_ENTITIES]
    names = {each.name for each in kept}
    return Diagram(
        entities=tuple(Entity(name=each.name, attributes=tuple(_attributes(each, enums))) for each in kept),
        relationships=tuple(_relations(diagram, names)),
    )


def _attributes(own: Class, enums: set[str]) -> Iterator[Attribute]:
    for each in own.attributes:
        if (each.name, each.type) == (SURROGATE.name, SURROGATE.type):
            yield SURROGATE
        else:
            yield Attribute(name=each.name, type=_type(each.name, each.type, enums))


def _type(name: str, written: str, enums: set[str]) -> AttributeType:
    """String is what a text and an enum are in code, too, so the name decides there."""
    if written in enums:
        return "enum"
    found = attribute_type(written, name)
    known = known_type(name)
    return known if found == "string" and known in ("text", "enum") else found


def _relations(diagram: ClassDiagram, names: set[str]) -> Iterator[Relationship]:
    for each in diagram.relations:
        if each.kind in _RELATED and {each.from_, each.to} <= names:
            yield Relationship(from_=each.from_, to=each.to, cardinality=cardinality_of(*_many(each)))


def _many(relation: Relation) -> tuple[bool, bool]:
    """Without a number an end is one; but a whole has many parts."""
    to = is_many(relation.to_many)
    return bool(is_many(relation.from_many)), to if to is not None else relation.kind != "association"
