"""The ER diagram behind Python classes: attributes that are other classes, or lists of them, are relationships."""

import ast
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from hone_contracts.erd_facts import AttributeType
from hone_generator.artifacts.mermaid_erd.attribute_types import attribute_type, known_type
from hone_generator.artifacts.mermaid_erd.ir import Attribute, Diagram, Entity, Relationship
from hone_generator.artifacts.mermaid_erd.keys import SURROGATE
from hone_generator.artifacts.python_code.source import Class, NotPython, last_word, read_source
from hone_generator.teaching.target import cardinality_of

_LISTS = frozenset({"list", "List", "set", "Set", "frozenset", "tuple", "Tuple", "Sequence", "Iterable"})
_NO_ENTITIES = frozenset({"Enum", "StrEnum", "IntEnum", "Protocol", "ABC", "Exception", "ValueError"})
_TYPES: dict[str, AttributeType] = {"str": "string", "bytes": "binary", "dict": "json", "timedelta": "int"}


@dataclass(slots=True)
class _Ends:
    """Of each pair whether the first has the second (False) or several of it (True)."""

    has: dict[tuple[str, str], bool] = field(default_factory=dict)

    def relations(self) -> Iterator[Relationship]:
        told_from_both = any((to, from_) in self.has for from_, to in self.has if from_ != to)
        for (from_, to), many in self.has.items():
            back = self.has.get((to, from_))
            if from_ == to:
                yield Relationship(from_=from_, to=to, cardinality="1:N")
            elif back is None:
                # Where others are told from both ends, one that has no list of the other has one of it.
                alone = told_from_both and not many
                yield Relationship(
                    from_=from_, to=to, cardinality=cardinality_of(not many and not alone, many)
                )
            elif (from_, to) < (to, from_):
                yield Relationship(from_=from_, to=to, cardinality=cardinality_of(back, many))


def diagram_of_code(content: str, options: Mapping[str, str]) -> Diagram:  # noqa: ARG001 (has none)
    """Nothing where the code does not parse; it is never run."""
    try:
        classes = read_source(content).classes
    except NotPython:
        return Diagram()
    kept = {each.name: each for each in classes if not _NO_ENTITIES.intersection(each.bases)}
    enums = {each.name for each in classes if {"Enum", "StrEnum", "IntEnum"}.intersection(each.bases)}
    ends = _Ends()
    entities = tuple(
        Entity(name=each.name, attributes=tuple(_attributes(each, kept, enums, ends)))
        for each in kept.values()
    )
    return Diagram(entities=entities, relationships=tuple(ends.relations()))


def _attributes(
    own: Class, classes: Mapping[str, Class], enums: set[str], ends: _Ends
) -> Iterator[Attribute]:
    for each in own.attributes.values():
        words = list(_words(each.annotation))
        other = next((word for word in words if word in classes), None)
        if other is not None:
            many = bool(_LISTS.intersection(words))
            ends.has[own.name, other] = ends.has.get((own.name, other), False) or many
        elif each.name == SURROGATE.name and words == ["int"]:
            yield SURROGATE
        else:
            yield Attribute(name=each.name, type=_type(each.name, words, enums))


def _type(name: str, words: list[str], enums: set[str]) -> AttributeType:
    """str is what a text and an enum are in code, too, so the name decides there."""
    if enums.intersection(words):
        return "enum"
    said = next((word for word in words if word != "None"), "")
    found = _TYPES.get(said) or attribute_type(said, name)
    known = known_type(name)
    return known if found == "string" and known in ("text", "enum") else found


def _words(annotation: ast.expr | None) -> Iterator[str]:
    """The names of an annotation from the outside in, forward references in quotes included."""
    if annotation is None:
        return
    for node in ast.walk(annotation):
        if isinstance(node, ast.Name | ast.Attribute):
            yield last_word(node)
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield from (
                word for word in node.value.replace("[", " ").replace("]", " ").split() if word.isidentifier()
            )
