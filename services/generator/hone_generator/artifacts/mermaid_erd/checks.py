"""Whether an ER diagram makes sense as a data model: Mermaid's grammar accepts an empty diagram, an entity
without a key, `int id PRIMARY KEY` and any word as a type."""

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from hone_contracts.artifacts import ValidatorResult
from hone_contracts.erd_facts import ATTRIBUTE_TYPES
from hone_generator.artifacts.diagrams import findings
from hone_generator.artifacts.kind import Link, Name, Outline
from hone_generator.artifacts.mermaid_erd.ir import Attribute, Diagram, Entity, Relationship
from hone_generator.artifacts.mermaid_erd.parse import ParsedDiagram, Problem, parse
from hone_generator.text import naming
from hone_generator.validators.flaws import MISSING, ODD, WRONG, Flaw, at, judged

MOST_ENTITIES = 80  # more on one page are read by nobody

# Types that databases and languages use, beside ours; parentheses and brackets are cut off first.
_TYPES = frozenset(ATTRIBUTE_TYPES) | frozenset(
    """
    integer bigint smallint tinyint serial bigserial long short byte number numeric real double money varchar char
    nvarchar character str bool timestamp timestamptz time interval duration year guid ulid jsonb object array list
    map set blob bytea bytes bit enumeration email url uri point geometry geography inet currency id key
    """.split()  # noqa: SIM905 - a list of quoted words is not readable
)


@dataclass(frozen=True, slots=True)
class ParsedErd:
    """A diagram with what reading it told: the lines (from 1) where names stand, what was not understood, and the
    names that relationships use although nothing declares them. Data is `exact`; Mermaid's text may leave a
    declaration out."""

    diagram: Diagram
    lines: dict[str, int] = field(default_factory=dict)
    problems: tuple[Problem, ...] = ()
    undeclared: frozenset[str] = frozenset()
    exact: bool = True

    @classmethod
    def of_text(cls, content: str) -> "ParsedErd":
        """Mermaid text from anywhere."""
        parsed = parse(content)
        return cls(parsed.diagram, parsed.lines, parsed.problems, undeclared(parsed), exact=False)

    def structure(self) -> ValidatorResult:
        return judged("structure", self._structure_flaws(), self._elements)

    def references(self) -> ValidatorResult:
        return judged("references", self._reference_flaws(), self._elements)

    def style(self) -> ValidatorResult:
        return judged("style", self._style_flaws(), self._elements)

    def outline(self) -> Outline:
        names: list[Name] = []
        for entity in self.diagram.entities:
            names.append(Name(entity.name, "type", self.lines.get(entity.name), entity.derived))
            names.extend(
                Name(own.name, "member", self.lines.get(f"{entity.name}.{own.name}"), own.derived)
                for own in entity.attributes
            )
        names.extend(Name(each.label, "label") for each in self.diagram.relationships if each.label)
        links = tuple(_link(relation) for relation in self.diagram.relationships)
        return Outline(tuple(names), scope="data", numbers=False, links=links)

    @property
    def _elements(self) -> int:
        attributes = sum(len(entity.attributes) for entity in self.diagram.entities)
        return len(self.diagram.entities) + attributes + len(self.diagram.relationships)

    def _structure_flaws(self) -> Iterator[Flaw]:
        for problem in self.problems:
            fatal = "erDiagram" in problem.what
            yield Flaw(WRONG, f"line {problem.line}: {problem.what}", fatal=fatal)
        if not self.diagram.entities:
            yield Flaw(WRONG, "the diagram is empty: add the entities that the requirements name", fatal=True)
        related = {end for each in self.diagram.relationships for end in (each.from_, each.to)}
        for entity in self.diagram.entities:
            where = at(self.lines, entity.name)
            if len(self.diagram.entities) > 1 and entity.name not in related:
                yield Flaw(
                    MISSING, f"{where}entity {entity.name} has no relationship: relate it or leave it out"
                )
            if entity.name not in self.undeclared:
                yield from _key_flaws(entity, where)

    def _reference_flaws(self) -> Iterator[Flaw]:
        yield from _names_given_twice(self.diagram, self.lines)
        known = {entity.name: None for entity in self.diagram.entities if entity.name not in self.undeclared}
        ends = (
            (end, f"relationship {each.from_} {each.cardinality} {each.to}", at(self.lines, end))
            for each in self.diagram.relationships
            for end in (each.from_, each.to)
        )
        yield from findings.undeclared(ends, known, "entity", exact=self.exact)
        yield from _foreign_keys_without_relationship(self.diagram, self.lines)

    def _style_flaws(self) -> Iterator[Flaw]:
        if len(self.diagram.entities) > MOST_ENTITIES:
            count = len(self.diagram.entities)
            yield Flaw(
                WRONG, f"the diagram has {count} entities: split it by subject, at most {MOST_ENTITIES} each"
            )
        yield from _entity_style(self.diagram.entities, self.lines)
        for entity in self.diagram.entities:
            yield from _attribute_style(entity, self.lines)


def undeclared(parsed: ParsedDiagram) -> frozenset[str]:
    """Ends that have no line of their own although others do: a misspelled name, mostly. A diagram that
    declares nothing at all is a sketch, and its ends are its entities."""
    if not parsed.declared:
        return frozenset()
    return frozenset(entity.name for entity in parsed.diagram.entities) - parsed.declared


def _link(relation: Relationship) -> Link:
    many_from, many_to = relation.cardinality in ("N:1", "N:M"), relation.cardinality in ("1:N", "N:M")
    return Link(relation.from_, relation.to, many_from, many_to)


def _key_flaws(entity: Entity, where: str) -> Iterator[Flaw]:
    if not entity.attributes:
        yield Flaw(MISSING, f"{where}entity {entity.name} has no attributes: add at least its key")
    elif not entity.primary_key:
        yield Flaw(
            MISSING, f"{where}entity {entity.name} has no primary key: mark an attribute PK or add an id"
        )


def _names_given_twice(diagram: Diagram, lines: dict[str, int]) -> Iterator[Flaw]:
    first: dict[str, str] = {}
    for entity in diagram.entities:
        same = first.setdefault(naming.identity(entity.name), entity.name)
        if same is not entity.name:
            yield Flaw(
                WRONG,
                f"{at(lines, entity.name)}entities {same} and {entity.name} are the same thing: keep one",
            )
        counts = Counter(attribute.name.casefold() for attribute in entity.attributes)
        for attribute in entity.attributes:
            if counts.pop(attribute.name.casefold(), 1) > 1:
                place = f"{entity.name}.{attribute.name}"
                yield Flaw(WRONG, f"{at(lines, place)}attribute {place} is given more than once: keep one")


def _foreign_keys_without_relationship(diagram: Diagram, lines: dict[str, int]) -> Iterator[Flaw]:
    """A column that is called after an entity, as member_id is after Member, says that there is a relationship."""
    entities: dict[str, str] = {}
    for entity in diagram.entities:
        entities.setdefault(naming.identity(entity.name), entity.name)
    related = {frozenset((relation.from_, relation.to)) for relation in diagram.relationships}
    for entity in diagram.entities:
        for attribute in entity.attributes:
            parent = _parent_by_name(attribute, entities)
            if parent is None or parent == entity.name or frozenset((entity.name, parent)) in related:
                continue
            place = f"{entity.name}.{attribute.name}"
            yield Flaw(
                MISSING,
                f"{at(lines, place)}{place} is a foreign key to {parent}, but no relationship connects the two: "
                f"add {parent} 1:N {entity.name}",
            )


def _parent_by_name(attribute: Attribute, entities: dict[str, str]) -> str | None:
    if "FK" not in attribute.keys:
        return None
    words = naming.words_of(attribute.name)
    stems = (words[:end] for end in range(len(words) - 1, 0, -1))
    return next((entities[name] for stem in stems if (name := "".join(stem)) in entities), None)


def _entity_style(entities: Iterable[Entity], lines: dict[str, int]) -> Iterator[Flaw]:
    styles = Counter(_style_of(entity.name) for entity in entities)
    usual = styles.most_common(1)[0][0] if styles else ""
    for entity in entities:
        words = naming.words_of(entity.name)
        if words and naming.singular(words[-1]) != words[-1]:
            named = naming.entity_name(entity.name)
            yield Flaw(
                ODD,
                f"{at(lines, entity.name)}entity {entity.name} is a plural: name it after one, as in {named}",
            )
        if _style_of(entity.name) not in (usual, "word") and usual != "word":
            yield Flaw(
                ODD,
                f"{at(lines, entity.name)}entity {entity.name} is not written as the others are ({usual}): rename it",
            )


def _style_of(name: str) -> str:
    if not name.isascii() or not name.replace("_", "").isalnum():
        return "word"
    if name.isupper():
        return "UPPER_CASE"
    if name.islower():
        return "snake_case"
    return "PascalCase" if name[:1].isupper() else "camelCase"


def _attribute_style(entity: Entity, lines: dict[str, int]) -> Iterator[Flaw]:
    for attribute in entity.attributes:
        base = attribute.type.lower().split("(")[0].split("[")[0]
        if base not in _TYPES and base.rstrip("0123456789_") not in _TYPES:
            place = f"{entity.name}.{attribute.name}"
            yield Flaw(
                ODD,
                f"{at(lines, place)}attribute {place} has the unusual type {attribute.type}: use one of "
                f"{', '.join(ATTRIBUTE_TYPES)}",
            )
