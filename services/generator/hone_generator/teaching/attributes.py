"""Which passages may state an attribute: its name stands there, and its owner does or is the subject."""

from collections.abc import Iterator
from dataclasses import dataclass

from hone_generator.teaching.mentions import Line, Mention
from hone_generator.teaching.target import Member, Target
from hone_generator.text.naming import words_of

_FURTHEST = 40  # words; beyond that it does not matter how far away the owner stands
_POSSESSIVES = frozenset({"its", "their", "his", "her"})
_OWNERS_FOLLOW = frozenset({"of", "for", "per", "in", "on", "to", "each", "every"})


@dataclass(frozen=True, slots=True)
class StatedAttribute:
    """One way to read an attribute out of a passage. `owner` are the words that the fact uses for its entity;
    `likely` is greater the more surely the passage means it."""

    member: Member
    passage: int
    owner: str
    name: Mention
    likely: float


def stated_attributes(target: Target, line: Line, passage: int) -> Iterator[StatedAttribute]:
    for member in target.attributes:
        owner, name = member
        if name not in line.mentions:
            continue
        for mention in line.mentions[name]:
            ways = [
                *(
                    (each.surface, _near(target, line, each, mention))
                    for each in line.mentions.get(owner, ())
                ),
                *_through_subject(target, line, owner, mention),
            ]
            if ways:
                words, likely = max(ways, key=lambda way: way[1])
                yield StatedAttribute(
                    member, passage, words, mention, likely - _doubt(target, line, mention, member)
                )


def _near(target: Target, line: Line, owner: Mention, name: Mention) -> float:
    likely = 1.0 if owner.covered else 3.0
    if owner.begin < name.end and name.begin < owner.end:
        return likely - 1.0  # "hive number" names the hive, too, but speaks of it only by the way
    if owner.end <= name.begin:
        between, distance = (owner.end, name.begin), name.begin - owner.end
    else:
        between, distance = (name.end, owner.begin), owner.begin - name.end
        if not _OWNERS_FOLLOW.intersection(line.words[name.end : owner.begin]):
            likely -= 0.5
    is_first = not line.entities_between(0, owner.begin, target.entities)
    if _POSSESSIVES.intersection(line.words[slice(*between)]) and not is_first:
        likely -= 0.6  # "each pet has an owner, and we note its name": that of what the sentence is about
    elif line.entities_between(*between, target.entities):
        # What comes first is what the sentence is about: "a hive stands in an apiary and has a number".
        likely -= 0.3 if is_first else 1.0
    if line.segments[owner.begin] != line.segments[name.begin]:
        likely -= 0.5
    return likely - min(distance, _FURTHEST) / (2 * _FURTHEST)


def _through_subject(target: Target, line: Line, owner: str, name: Mention) -> Iterator[tuple[str, float]]:
    if owner not in line.carried or any(
        each.end <= name.begin and not each.covered for each in line.mentions.get(owner, ())
    ):
        return
    likely = 3.1 if line.begins_with_pronoun else 2.6
    if line.entities_between(0, name.begin, target.entities):
        likely -= 1.0
    yield line.carried[owner], likely


def _doubt(target: Target, line: Line, name: Mention, member: Member) -> float:
    """Words that are part of a longer name, or of a phrase ("a number of beds"), or in another number."""
    doubt = 3.0 if name.covered else 0.0
    if line.words[name.end : name.end + 1] == ("of",) and name.end - name.begin == 1:
        doubt += 0.8
    if words_of(name.surface) != words_of(target.attributes[member]):
        doubt += 0.3
    return doubt
