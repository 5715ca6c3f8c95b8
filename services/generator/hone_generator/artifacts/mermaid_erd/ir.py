"""An ER diagram as data: what facts are merged into and what is rendered.

`evidence` holds indexes into the passages of the requirements. A derived element was not stated: a careful
modeller adds it (a surrogate key, the foreign key of a relationship), and it says so.
"""

from collections.abc import Iterable, Sequence
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from hone_contracts.artifacts import Evidence
from hone_contracts.erd_facts import Cardinality

Key = Literal["PK", "FK", "UK"]
KEY_ORDER: tuple[Key, ...] = ("PK", "FK", "UK")


class _Element(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", populate_by_name=True)

    evidence: tuple[int, ...] = ()
    derived: bool = False


class Attribute(_Element):
    name: str
    type: str = "string"
    keys: tuple[Key, ...] = ()


class Entity(_Element):
    name: str
    attributes: tuple[Attribute, ...] = ()

    @property
    def primary_key(self) -> tuple[Attribute, ...]:
        return tuple(attribute for attribute in self.attributes if "PK" in attribute.keys)


class Relationship(_Element):
    from_: str = Field(alias="from")
    to: str
    cardinality: Cardinality
    label: str = ""


class Diagram(BaseModel):
    """Names are free text here; an end may name an entity that is not there (see the structure validator)."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    entities: tuple[Entity, ...] = ()
    relationships: tuple[Relationship, ...] = ()

    def to_json(self) -> dict[str, Any]:
        return self.model_dump(mode="json", by_alias=True)


def evidence_of(diagram: Diagram, passages: Sequence[str]) -> list[Evidence]:
    """For each element the passages it came from, in the order of the text; elements without any are left out."""
    return [
        Evidence(element=name, text=passages[index])
        for name, element in _named(diagram)
        for index in element.evidence
        if 0 <= index < len(passages)
    ]


def _named(diagram: Diagram) -> Iterable[tuple[str, _Element]]:
    for entity in diagram.entities:
        yield f"entity:{entity.name}", entity
        for attribute in entity.attributes:
            yield f"attribute:{entity.name}.{attribute.name}", attribute
    for end in diagram.relationships:
        yield f"relationship:{end.from_}-{end.cardinality}-{end.to}", end
