"""Whether an ER diagram makes sense as a data model: Mermaid's grammar accepts an empty diagram, an entity
without a key, `int id PRIMARY KEY` and any word as a type.

Findings are flaws of three weights. Messages say where, what, and how to mend it.
"""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

from hone_contracts.artifacts import ValidatorResult
from hone_contracts.erd_facts import ATTRIBUTE_TYPES
from hone_generator.artifacts.mermaid_erd.ir import Diagram, Entity
from hone_generator.artifacts.mermaid_erd.parse import ParsedDiagram, parse
from hone_generator.text import naming
from hone_generator.validators.base import result

NAME = "structure"

# What one flaw costs, as a share of the elements it stands among. A wrong reference misleads every reader; a
# missing key is mended in a minute; an odd type is a matter of taste.
_WRONG, _MISSING, _ODD = 3.0, 1.0, 0.5

# Types that databases and languages use, beside ours; parentheses and brackets are cut off first.
_TYPES = frozenset(ATTRIBUTE_TYPES) | frozenset(
    """
    integer bigint smallint tinyint serial bigserial long short byte number numeric real double money varchar char
    nvarchar character str bool timestamp timestamptz time interval duration year guid ulid jsonb object array list
    map set blob bytea bytes bit enumeration email url uri point geometry geography inet currency id key
    """.split()  # noqa: SIM905 - a list of quoted words is not readable
)


@dataclass(frozen=True, slots=True)
class _Flaw:
    weight: float
    message: str
    fatal: bool = False


def check_structure(diagram: Diagram) -> ValidatorResult:
    """Check a diagram that was merged or came as JSON."""
    return _judged(diagram, list(_flaws(diagram, {}, frozenset())))


def check_structure_of_text(content: str) -> ValidatorResult:
    """Check Mermaid text from anywhere; lines are counted from 1."""
    parsed = parse(content)
    found = [
        _Flaw(_WRONG, f"line {problem.line}: {problem.what}", fatal="erDiagram" in problem.what)
        for problem in parsed.problems
    ]
    return _judged(parsed.diagram, [*found, *_flaws(parsed.diagram, parsed.lines, _undeclared(parsed))])


def _judged(diagram: Diagram, flaws: list[_Flaw]) -> ValidatorResult:
    elements = sum(1 + len(entity.attributes) for entity in diagram.entities) + len(diagram.relationships)
    fatal = any(flaw.fatal for flaw in flaws)
    lost = sum(flaw.weight for flaw in flaws) / max(elements, 1)
    score = 0 if fatal else 100 * max(0.0, 1 - lost)
    ordered = sorted(flaws, key=lambda flaw: (not flaw.fatal, -flaw.weight))
    passed = not fatal and not any(flaw.weight >= _WRONG for flaw in flaws)
    return result(NAME, score, (flaw.message for flaw in ordered), passed=passed)


def _undeclared(parsed: ParsedDiagram) -> frozenset[str]:
    """Ends that have no line of their own although others do: a misspelled name, mostly. A diagram that
    declares nothing at all is a sketch, and its ends are its entities."""
    if not parsed.declared:
        return frozenset()
    return frozenset(entity.name for entity in parsed.diagram.entities) - parsed.declared


def _flaws(diagram: Diagram, lines: dict[str, int], undeclared: frozenset[str]) -> Iterator[_Flaw]:
    if not diagram.entities:
        yield _Flaw(_WRONG, "the diagram is empty: add the entities that the requirements name", fatal=True)
        return
    yield from _names_given_twice(diagram, lines)
    yield from _dangling_ends(diagram, undeclared, lines)
    related = {end for relation in diagram.relationships for end in (relation.from_, relation.to)}
    for entity in diagram.entities:
        where = _at(lines, entity.name)
        if len(diagram.entities) > 1 and entity.name not in related:
            yield _Flaw(
                _MISSING, f"{where}entity {entity.name} has no relationship: relate it or leave it out"
            )
        if entity.name not in undeclared:
            yield from _key_flaws(entity, where)
        yield from _attribute_flaws(entity, lines)


def _at(lines: dict[str, int], name: str) -> str:
    return f"line {lines[name]}: " if name in lines else ""


def _names_given_twice(diagram: Diagram, lines: dict[str, int]) -> Iterator[_Flaw]:
    first: dict[str, str] = {}
    for entity in diagram.entities:
        same = first.setdefault(naming.identity(entity.name), entity.name)
        if same is not entity.name:
            yield _Flaw(
                _WRONG,
                f"{_at(lines, entity.name)}entities {same} and {entity.name} are the same thing: keep one",
            )


def _dangling_ends(diagram: Diagram, undeclared: frozenset[str], lines: dict[str, int]) -> Iterator[_Flaw]:
    known = {entity.name for entity in diagram.entities} - undeclared
    for relation in diagram.relationships:
        for end in dict.fromkeys((relation.from_, relation.to)):
            if end not in known:
                yield _Flaw(
                    _WRONG,
                    f"{_at(lines, end)}relationship {relation.from_} {relation.cardinality} {relation.to} ends at "
                    f"{end}, which is not declared: add the entity {end} or correct the name",
                )


def _key_flaws(entity: Entity, where: str) -> Iterator[_Flaw]:
    if not entity.attributes:
        yield _Flaw(_MISSING, f"{where}entity {entity.name} has no attributes: add at least its key")
    elif not entity.primary_key:
        yield _Flaw(
            _MISSING, f"{where}entity {entity.name} has no primary key: mark an attribute PK or add an id"
        )


def _attribute_flaws(entity: Entity, lines: dict[str, int]) -> Iterator[_Flaw]:
    counts = Counter(attribute.name.casefold() for attribute in entity.attributes)
    for attribute in entity.attributes:
        place = f"{entity.name}.{attribute.name}"
        where = _at(lines, place)
        if counts.pop(attribute.name.casefold(), 1) > 1:
            yield _Flaw(_WRONG, f"{where}attribute {place} is given more than once: keep one")
        base = attribute.type.lower().split("(")[0].split("[")[0]
        if base not in _TYPES and base.rstrip("0123456789_") not in _TYPES:
            yield _Flaw(
                _ODD,
                f"{where}attribute {place} has the unusual type {attribute.type}: use one of "
                f"{', '.join(ATTRIBUTE_TYPES)}",
            )
