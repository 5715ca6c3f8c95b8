"""A class diagram as data."""

from collections.abc import Iterator
from typing import Literal

from pydantic import Field

from hone_generator.artifacts.diagrams.element import Diagram, Element

Visibility = Literal["", "+", "-", "#", "~"]
RelationKind = Literal[
    "inheritance", "realization", "composition", "aggregation", "association", "dependency"
]


class Parameter(Element):
    name: str
    type: str = ""


class Attribute(Element):
    """``derived`` was added by convention, not stated: a surrogate key."""

    name: str
    type: str = ""
    visibility: Visibility = ""
    derived: bool = False


class Operation(Element):
    name: str
    parameters: tuple[Parameter, ...] = ()
    returns: str = ""
    visibility: Visibility = ""


class Class(Element):
    """``stereotype`` is interface, abstract, enumeration, service, …, or "". The values of an enumeration are
    attributes without a type."""

    name: str
    stereotype: str = ""
    attributes: tuple[Attribute, ...] = ()
    operations: tuple[Operation, ...] = ()


class Relation(Element):
    """Read from left to right: ``from`` inherits from, realizes, is composed of, has, knows or uses ``to``. The
    multiplicities stand at the ends: ``to_many`` is how many of ``to`` one of ``from`` has."""

    from_: str = Field(alias="from")
    to: str
    kind: RelationKind = "association"
    from_many: str = ""
    to_many: str = ""
    label: str = ""


class ClassDiagram(Diagram):
    classes: tuple[Class, ...] = ()
    relations: tuple[Relation, ...] = ()


def named(diagram: ClassDiagram) -> Iterator[tuple[str, Element]]:
    for each in diagram.classes:
        yield f"class:{each.name}", each
        for attribute in each.attributes:
            yield f"attribute:{each.name}.{attribute.name}", attribute
        for operation in each.operations:
            yield f"operation:{each.name}.{operation.name}", operation
    for relation in diagram.relations:
        yield f"relation:{relation.from_}-{relation.kind}-{relation.to}", relation
