"""A class diagram of a data model: what a small model can read, passage by passage."""

from collections.abc import Mapping

from hone_contracts.erd_facts import AttributeType
from hone_generator.artifacts.data_model import DataModel, Entity, Link, ReadModel
from hone_generator.artifacts.mermaid_class.ir import Attribute, Class, ClassDiagram, Relation
from hone_generator.text.naming import words_of

TYPES: Mapping[AttributeType, str] = {
    "string": "String", "text": "String", "int": "int", "float": "float", "decimal": "Decimal",
    "boolean": "boolean", "date": "Date", "datetime": "DateTime", "uuid": "UUID", "enum": "String",
    "json": "Object", "binary": "bytes",
}  # fmt: skip


def diagram_of_facts(read: ReadModel) -> ClassDiagram:
    """Entities are classes, relationships associations. Fields that point to another class are no attributes, since
    the association says it; entities that only lie between two others are none at all."""
    said = {each.element: each.text for each in reversed(read.evidence)}
    model = read.model
    return ClassDiagram(
        classes=tuple(_class(each, said) for each in model.entities if each.joins is None),
        relations=tuple(_relation(each, model, said) for each in model.links),
    )


def _class(entity: Entity, said: Mapping[str, str]) -> Class:
    return Class(
        name=entity.name,
        attributes=tuple(
            Attribute(
                name=_camel(own.name),
                type=TYPES[own.type],
                visibility="+",
                derived=own.derived,
                evidence=said.get(f"attribute:{entity.name}.{own.name}", ""),
            )
            for own in entity.fields
            if own.references is None
        ),
        evidence=said.get(f"entity:{entity.name}", ""),
    )


def _camel(name: str) -> str:
    """date_of_birth → dateOfBirth"""
    words = words_of(name)
    return "".join([words[0], *(word[:1].upper() + word[1:] for word in words[1:])]) if words else name


def _relation(link: Link, model: DataModel, said: Mapping[str, str]) -> Relation:
    one = "1" if _is_required(link, model) else "0..1"
    ends = {"1:1": ("1", one), "1:N": (one, "0..*"), "N:1": ("0..*", one), "N:M": ("0..*", "0..*")}
    from_many, to_many = ends[link.cardinality]
    return Relation(
        from_=link.from_,
        to=link.to,
        from_many=from_many,
        to_many=to_many,
        label=link.label,
        evidence=said.get(f"relationship:{link.from_}-{link.cardinality}-{link.to}", ""),
    )


def _is_required(link: Link, model: DataModel) -> bool:
    other = link.from_ if link.holder == link.to else link.to
    return any(
        own.required
        for own in model.entity(link.holder).fields
        if own.references and own.references.entity == other
    )
