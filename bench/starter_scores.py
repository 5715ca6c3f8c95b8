"""What of a diagram is right: names folded as the merging folds them, derived keys left out."""

from dataclasses import dataclass, field

from hone_contracts.erd_facts import Attributes, Entities, Facts, Keys
from hone_generator.artifacts.mermaid_erd.ir import Diagram
from hone_generator.artifacts.mermaid_erd.merge import Answer, merge
from hone_generator.text.naming import identity

Element = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Elements:
    """A data model as sets that can be compared."""

    entities: frozenset[Element]
    attributes: frozenset[Element]
    relations: frozenset[Element]


def elements_of(diagram: Diagram) -> Elements:
    return Elements(
        frozenset((identity(entity.name),) for entity in diagram.entities),
        frozenset(
            (identity(entity.name), identity(attribute.name))
            for entity in diagram.entities
            for attribute in entity.attributes
            if not attribute.derived
        ),
        frozenset(relation_element(r.from_, r.cardinality, r.to) for r in diagram.relationships),
    )


def relation_element(from_: str, cardinality: str, to: str) -> Element:
    """One spelling for each relation: the one side first; N:M and 1:1 have no order."""
    ends = [identity(from_), identity(to)]
    if cardinality == "N:1":
        return ("1:N", ends[1], ends[0])
    return (cardinality, *(ends if cardinality == "1:N" else sorted(ends)))


def merged(passage: str, facts: Facts) -> Elements:
    """What a user sees of the facts of one passage."""
    return elements_of(merge([Answer(0, passage, facts)]))


def stated(facts: Facts) -> int:
    """How many single statements facts make: each entity named, each attribute, each key, each relation."""
    counts = (
        len(fact.names) if isinstance(fact, Entities)
        else len(fact.types) if isinstance(fact, Attributes)
        else len(fact.keys) if isinstance(fact, Keys)
        else 1
        for fact in facts
    )  # fmt: skip
    return sum(counts)


@dataclass
class Score:
    """Counts of one kind of element over many texts."""

    right: int = 0
    said: int = 0
    gold: int = 0

    def add(self, said: frozenset[Element], gold: frozenset[Element]) -> None:
        self.right += len(said & gold)
        self.said += len(said)
        self.gold += len(gold)

    @property
    def precision(self) -> float:
        return self.right / self.said if self.said else 0.0

    @property
    def recall(self) -> float:
        return self.right / self.gold if self.gold else 0.0

    @property
    def f1(self) -> float:
        both = self.said + self.gold
        return 2 * self.right / both if both else 0.0


@dataclass
class Scores:
    """Entities, attributes and relations with their cardinality, micro-averaged."""

    entities: Score = field(default_factory=Score)
    attributes: Score = field(default_factory=Score)
    relations: Score = field(default_factory=Score)

    def add(self, said: Elements, gold: Elements) -> None:
        self.entities.add(said.entities, gold.entities)
        self.attributes.add(said.attributes, gold.attributes)
        self.relations.add(said.relations, gold.relations)

    def as_dict(self) -> dict[str, dict[str, float]]:
        return {
            name: {"f1": round(s.f1, 3), "precision": round(s.precision, 3), "recall": round(s.recall, 3)}
            for name, s in (
                ("entities", self.entities),
                ("attributes", self.attributes),
                ("relations", self.relations),
            )
        }
