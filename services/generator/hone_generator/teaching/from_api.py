"""The ER diagram behind an API's document: its schemas are entities, what is called after another's key points to it,
and a list of parts below one thing (``/members/{id}/loans``) says that there are many."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from hone_contracts.erd_facts import AttributeType
from hone_generator.artifacts.inverse import Inexpressible, Quotes
from hone_generator.artifacts.mermaid_erd.attribute_types import known_type
from hone_generator.artifacts.mermaid_erd.ir import Attribute, Diagram, Entity, Relationship
from hone_generator.artifacts.mermaid_erd.keys import SURROGATE
from hone_generator.artifacts.object_types import StatedField, StatedType
from hone_generator.artifacts.openapi.answer import Answer
from hone_generator.artifacts.openapi.inverse import answer_of
from hone_generator.text.naming import attribute_name, identity

_TYPES: dict[str, AttributeType] = {
    "string": "string", "email": "string", "uri": "string", "integer": "int", "number": "float",
    "boolean": "boolean", "date": "date", "date-time": "datetime", "time": "datetime", "uuid": "uuid",
    "enum": "enum", "any": "json", "object": "json", "binary": "binary",
}  # fmt: skip
# What a document writes in one way although facts tell it apart by name.
_SAME: dict[AttributeType, frozenset[str]] = {
    "string": frozenset({"text", "enum"}), "float": frozenset({"decimal"})
}  # fmt: skip


def diagram_of_api(content: str, options: Mapping[str, str]) -> Diagram:  # noqa: ARG001 (has none)
    try:
        answer = Answer.model_validate_json(answer_of(content, Quotes()))
    except Inexpressible:
        return Diagram()
    reader = _Reader({key: each for each in answer.types for key in _keys(each)}, frozenset(_lists(answer)))
    relationships = [relation for each in answer.types for relation in reader.relations(each)]
    return Diagram(
        entities=tuple(
            Entity(name=each.name, attributes=tuple(reader.attributes(each))) for each in answer.types
        ),
        relationships=tuple(relationships),
    )


@dataclass(frozen=True, slots=True)
class _Reader:
    """``pointing`` are the types by the names of fields that hold their keys, ``lists`` the pairs of which the
    first has a list of the second."""

    pointing: Mapping[str, StatedType]
    lists: frozenset[tuple[str, str]]

    def attributes(self, own: StatedType) -> Iterator[Attribute]:
        for each in own.fields:
            target = self._target(own, each)
            if each.of or (target is not None and each.many):
                continue
            if target is not None:
                yield Attribute(name=each.name, type=_type(each), keys=("FK",))
            elif (each.name, each.type) == (SURROGATE.name, "integer"):
                yield SURROGATE
            else:
                yield Attribute(name=each.name, type=_type(each))

    def relations(self, own: StatedType) -> Iterator[Relationship]:
        for each in own.fields:
            target = self._target(own, each)
            if each.of:
                yield Relationship(from_=own.name, to=each.of, cardinality="1:N" if each.many else "N:1")
            elif target is not None and each.many:
                yield Relationship(from_=own.name, to=target.name, cardinality="N:M")
            elif target is not None:
                listed = (identity(target.name), identity(own.name)) in self.lists
                many = listed or not self.lists or target.name == own.name
                yield Relationship(from_=target.name, to=own.name, cardinality="1:N" if many else "1:1")

    def _target(self, own: StatedType, each: StatedField) -> StatedType | None:
        """Whose key a field holds: member_id, member_ids, parent_member_id. The own key points nowhere."""
        name = each.name.removesuffix("s") if each.many else each.name
        target = self.pointing.get(name)
        if target is None or target.name != own.name or each.many:
            return target or self.pointing.get(name.removeprefix("parent_"))
        return None


def _keys(own: StatedType) -> Iterator[str]:
    """The name under which others hold its key, which is its first field."""
    owner = attribute_name(own.name)
    for each in own.fields[:1]:
        yield each.name if each.name.startswith(f"{owner}_") else f"{owner}_{each.name}"


def _lists(answer: Answer) -> Iterator[tuple[str, str]]:
    for each in answer.operations:
        segments: Sequence[str] = [part for part in each.path.split("/") if part]
        for first, key, second in zip(segments, segments[1:], segments[2:], strict=False):
            if key.startswith("{") and each.many:
                yield identity(first), identity(second)


def _type(each: StatedField) -> AttributeType:
    found = _TYPES.get(each.type, "string")
    known = known_type(each.name)
    return known if known is not None and known in _SAME.get(found, ()) else found
