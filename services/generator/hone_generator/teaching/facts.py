"""What is selected for a passage, written as the facts of its answer, in the order of the text."""

from collections.abc import Iterator
from dataclasses import dataclass, field

from hone_contracts.erd_facts import Attributes, AttributeType, Entities, Fact, Facts, Key, Keys, Relation
from hone_generator.artifacts.mermaid_erd.attribute_types import settled_type
from hone_generator.artifacts.mermaid_erd.grounding import MAX_ATTRIBUTES, MAX_ENTITIES, MAX_FACTS
from hone_generator.teaching.attributes import StatedAttribute
from hone_generator.teaching.mentions import Line, Mention
from hone_generator.teaching.relations import StatedRelation
from hone_generator.teaching.selection import Selection, Stated
from hone_generator.teaching.target import Member, Target


@dataclass(slots=True)
class _Members:
    """Attributes of one entity that follow each other."""

    entity: str
    owner: str
    types: dict[str, AttributeType] = field(default_factory=dict)
    keys: dict[str, Key] = field(default_factory=dict)

    def facts(self) -> Iterator[Fact]:
        types, keys = list(self.types.items()), list(self.keys.items())
        for begin in range(0, len(types), MAX_ATTRIBUTES):
            yield Attributes(self.owner, dict(types[begin : begin + MAX_ATTRIBUTES]))
        for begin in range(0, len(keys), MAX_ATTRIBUTES):
            yield Keys(self.owner, dict(keys[begin : begin + MAX_ATTRIBUTES]))


@dataclass(frozen=True, slots=True)
class PassageWriter:
    """Writes one passage's answer; at most what the grammar lets a model say."""

    target: Target
    line: Line
    stated: Stated
    selection: Selection
    passage: int

    def facts(self) -> Facts:
        """Nothing where nothing is selected."""
        found: list[Fact] = []
        open_: _Members | None = None
        for _, event in sorted(self._events(), key=lambda each: each[0]):
            if isinstance(event, Relation) or (open_ is not None and open_.entity != event.member[0]):
                found.extend(open_.facts() if open_ else ())
                open_ = None
            if isinstance(event, Relation):
                found.extend([event] if event not in found else ())
            else:
                open_ = open_ or _Members(event.member[0], event.owner)
                self._add(open_, event)
        found.extend(open_.facts() if open_ else ())
        bare = self._lost() or (() if found else self._listed())
        return tuple([*([Entities(bare)] if bare else []), *found][:MAX_FACTS])

    def _events(self) -> Iterator[tuple[int, Relation | StatedAttribute]]:
        for each in self.stated.relations:
            told = self.selection.relations.get((each.ends, each.forward), {})
            if self.passage in told:
                yield self._place(each), Relation(each.from_, told[self.passage], each.to)
        surest: dict[Member, StatedAttribute] = {}
        for attribute in self.stated.attributes:
            member = attribute.member
            if self._tells(member) or self._tells_key(member):
                known = surest.get(member)
                if known is None or attribute.likely > known.likely:
                    surest[member] = attribute
        yield from ((attribute.name.begin, attribute) for attribute in surest.values())

    def _tells(self, member: Member) -> bool:
        return self.passage in self.selection.attributes.get(member, ())

    def _tells_key(self, member: Member) -> bool:
        return self.passage in self.selection.keys.get(member, ())

    def _place(self, relation: StatedRelation) -> int:
        """Where its second end stands; before attributes of that end, as in "a member sees the name of a book"."""
        owner = relation.ends[1] if relation.forward else relation.ends[0]
        between = (
            relation.begin < each.name.begin < relation.place
            for each in self.stated.attributes
            if each.member[0] == owner and self._tells(each.member)
        )
        return relation.begin if any(between) else relation.place

    def _add(self, members: _Members, attribute: StatedAttribute) -> None:
        member, name = attribute.member, attribute.name.surface
        key = self.target.keys[member] if self._tells_key(member) else None
        if key is not None:
            members.keys[name] = key
        if self._tells(member) and not self._is_told_by_key(attribute, key):
            members.types[name] = self.target.types[member]

    def _is_told_by_key(self, attribute: StatedAttribute, key: Key | None) -> bool:
        """ "A car is identified by its plate" is a fact of the key alone."""
        cue = self.stated.cue
        if not ((key == "PK" and cue.primary) or (key == "UK" and cue.unique)):
            return False
        owner, member = attribute.member[0], attribute.member
        alone = not any(
            each.member[0] == owner and self._tells(each.member) and not self._tells_key(each.member)
            for each in self.stated.attributes
        )
        return alone and self.target.types[member] == settled_type(attribute.name.surface, [])

    def _lost(self) -> tuple[str, ...]:
        """Entities that no other fact names."""
        lost = [
            self.stated.entities[name]
            for name, place in self.selection.entities.items()
            if place == self.passage and name in self.stated.entities
        ]
        return tuple(each.surface for each in sorted(lost, key=lambda each: each.begin))[:MAX_ENTITIES]

    def _listed(self) -> tuple[str, ...]:
        """A list of entities, which the starter was taught to name."""
        mentions = (
            mention
            for name, all_ in self.line.mentions.items()
            if name in self.target.entities
            for mention in all_
            if not mention.is_doubtful
        )
        runs: list[list[Mention]] = [[]]
        for mention in sorted(mentions, key=lambda each: each.begin):
            if runs[-1] and not self.line.is_list(runs[-1][-1].end, mention.begin):
                runs.append([])
            runs[-1].append(mention)
        names = tuple(dict.fromkeys(mention.surface for mention in max(runs, key=len)))
        return names[:MAX_ENTITIES] if len(names) > 1 else ()
