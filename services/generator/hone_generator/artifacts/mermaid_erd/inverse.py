"""The answer that a diagram is made of. What merging adds by itself (surrogate keys, foreign keys) is not said."""

from hone_generator.artifacts.inverse import Inexpressible, Quotes, written
from hone_generator.artifacts.mermaid_erd.attribute_types import attribute_type
from hone_generator.artifacts.mermaid_erd.ir import Attribute, Diagram, Entity
from hone_generator.artifacts.mermaid_erd.keys import is_brought, is_surrogate, related
from hone_generator.artifacts.mermaid_erd.schema import (
    StatedAttribute,
    StatedEntity,
    StatedRelationship,
    WholeAnswer,
)
from hone_generator.text.naming import identity


def answer_of(diagram: Diagram, quotes: Quotes) -> str:
    """Raises Inexpressible for a diagram without entities."""
    if not diagram.entities:
        raise Inexpressible("the diagram has no entities")
    others = related(diagram)
    answer = WholeAnswer(
        entities=[
            StatedEntity(name=entity.name, evidence=quotes.of_element("entity", entity.name))
            for entity in diagram.entities
        ],
        attributes=[
            _attribute(entity, attribute, quotes)
            for entity in diagram.entities
            for attribute in entity.attributes
            if not is_surrogate(attribute)
            and not is_brought(attribute, others.get(identity(entity.name), ()))
        ],
        relationships=[
            StatedRelationship(
                **{"from": each.from_},
                cardinality=each.cardinality,
                to=each.to,
                evidence=quotes.of_element("relationship", f"{each.from_}-{each.cardinality}-{each.to}"),
            )
            for each in diagram.relationships
        ],
    )
    return written(answer)


def _attribute(entity: Entity, attribute: Attribute, quotes: Quotes) -> StatedAttribute:
    key = next((mark for mark in attribute.keys if mark != "FK"), "")
    return StatedAttribute(
        entity=entity.name,
        name=attribute.name,
        type=attribute_type(attribute.type, attribute.name),
        key="PK" if key == "PK" else "UK" if key == "UK" else "",
        evidence=quotes.of_element("attribute", entity.name, attribute.name),
    )
