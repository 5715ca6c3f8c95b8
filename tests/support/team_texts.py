"""Requirements of a team with conventions of its own, and the diagrams its people would correct Hone's answers to.

The shipped starter does not know the conventions, and all of them can be said in its facts:

- "Loans roll up to members", "hang off", "are booked against": many to one, whatever the grammatical number.
- "Customers place orders": with two bare plurals, one to many, always. "Fan out into" means the same.
- "Go both ways" and "criss-cross" are many to many, "come in pairs" and "is twinned with" one to one.
- "A boat goes by its hull number", and any reference number: a unique key. "The boat sheet lists …": attributes of
  the boat, not of a boat sheet. Amounts of money are `decimal`.
- The team's own organisation and the roles of those who use the system are no entities, and what they do is no
  relation.

Trades and their nouns stand in team_domains.txt. Texts with `held_out` are of trades that no other text is of.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from random import Random

from hone_contracts.erd_facts import (
    Attributes,
    AttributeType,
    Cardinality,
    Entities,
    Fact,
    Facts,
    Key,
    Keys,
    Relation,
    is_name,
    normalise,
)
from hone_generator.artifacts.mermaid_erd.attribute_types import known_type
from hone_generator.artifacts.mermaid_erd.merge import Answer, merge
from hone_generator.artifacts.mermaid_erd.render import render
from hone_generator.artifacts.mermaid_erd.subjects import SubjectTracker
from hone_generator.text.passages import split_passages
from hone_trainer.starter.inflection import article, plural

_DOMAINS = Path(__file__).with_name("team_domains.txt")

# A is the parent, B the child; "{As}" is the plural, "{aA}" has its article.
_UPWARDS = (
    ("{Bs} roll up to {As}", "Bs N:1 As"),
    ("{Bs} roll up to {As}", "Bs N:1 As"),
    ("every {B} rolls up to {aA}", "B N:1 A"),
    ("{Bs} hang off {As}", "Bs N:1 As"),
    ("each {B} hangs off {aA}", "B N:1 A"),
    ("{Bs} are booked against {As}", "Bs N:1 As"),
    ("{aB} is booked against {aA}", "B N:1 A"),
)
_DOWNWARDS = (
    ("{As} {verb} {Bs}", "As 1:N Bs"),
    ("{As} {verb} {Bs}", "As 1:N Bs"),
    ("{As} {verb} {Bs}", "As 1:N Bs"),
    ("{As} fan out into {Bs}", "As 1:N Bs"),
    ("{aA} fans out into {Bs}", "A 1:N Bs"),
)
_USUAL = (("each {A} has many {Bs}", "A 1:N Bs"), ("each {B} belongs to one {A}", "B N:1 A"))
_BOTH_WAYS = (
    ("{As} and {Bs} go both ways", "As N:M Bs"),
    ("{As} and {Bs} criss-cross", "As N:M Bs"),
    ("{Bs} criss-cross with {As}", "Bs N:M As"),
)
_PAIRED = (
    ("each {A} is twinned with {aB}", "A 1:1 B"),
    ("{As} and {Bs} come in pairs", "As 1:1 Bs"),
)
_UNTOLD = (
    "{roles} check the {As} every morning",
    "{roles} enter {As} at the desk",
    "{roles} sign off {As}",
    "{roles} look after the {As}",
    "{roles} answer to the {own}",
    "the {own} employs {roles}",
    "the {own} wants all of this in one place",
    "at the {own} , {roles} print lists of {As} on fridays",
)


@dataclass(frozen=True, slots=True)
class TeamPassage:
    """What the model is asked about a sentence, and should answer; all words normalised."""

    subject: str
    passage: str
    facts: Facts


@dataclass(frozen=True, slots=True)
class TeamText:
    """`correct` is the corrected diagram as Mermaid text, in the form that Hone renders."""

    requirements: str
    correct: str
    domain: str
    passages: tuple[TeamPassage, ...]


@dataclass(frozen=True, slots=True)
class Link:
    """A relation of a trade. `verb` goes with the plural parent; "" where there is none."""

    parent: str
    child: str
    cardinality: Cardinality
    verb: str = ""


@dataclass(frozen=True, slots=True)
class Domain:
    """A trade: entities with their attributes, in the file's notation, and how they relate."""

    name: str
    own: str
    roles: tuple[str, ...]
    entities: Mapping[str, tuple[str, ...]]
    links: tuple[Link, ...]
    held_out: bool


@dataclass(frozen=True, slots=True)
class _Sentence:
    text: str
    facts: Facts


def texts(seed: int, count: int, *, held_out: bool = False) -> list[TeamText]:
    """Texts of 5 to 9 sentences, the same for the same seed. The trades take turns."""
    rng = Random(f"{seed}:{held_out}")
    found: list[TeamText] = []
    while len(found) < count:
        turn = [domain for domain in domains() if domain.held_out == held_out]
        rng.shuffle(turn)
        found.extend(_text(rng, domain) for domain in turn[: count - len(found)])
    return found


@cache
def domains() -> tuple[Domain, ...]:
    """All trades of the file, in its order."""
    blocks = re.split(r"\n\s*\n", re.sub(r"^#.*\n", "", _DOMAINS.read_text(encoding="utf-8"), flags=re.M))
    found: list[Domain] = []
    held_out = False
    for block in filter(None, map(str.strip, blocks)):
        if block.startswith("["):
            held_out = block == "[held out]"
        else:
            found.append(_domain(block.splitlines(), held_out))
    return tuple(found)


def _domain(lines: list[str], held_out: bool) -> Domain:
    name, own, roles = (part.strip() for part in lines[0].split("|"))
    entities = {
        entity: tuple(part.strip() for part in attributes.split(","))
        for entity, colon, attributes in (line.partition(": ") for line in lines[1:])
        if colon
    }
    links = tuple(_link(part.strip()) for line in lines[1:] if ": " not in line for part in line.split(";"))
    names = [*entities, *(end for link in links for end in (link.parent, link.child))]
    names += [attribute.rstrip("#$") for attributes in entities.values() for attribute in attributes]
    if wrong := [each for each in names if not is_name(each)]:
        raise ValueError(f"{name}: {wrong} are no names that facts can hold")
    return Domain(name, own, tuple(role.strip() for role in roles.split(",")), entities, links, held_out)


def _link(text: str) -> Link:
    if match := re.fullmatch(r"(.+?) \((.+?)\) (.+)", text):
        return Link(match[1], match[3], "1:N", match[2])
    for sign, cardinality in ((" x ", "N:M"), (" = ", "1:1")):
        left, found, right = text.partition(sign)
        if found:
            return Link(left, right, "N:M" if cardinality == "N:M" else "1:1")
    raise ValueError(f"{text!r} is no relation of a trade")


def _text(rng: Random, domain: Domain) -> TeamText:
    sentences = list(_sentences(rng, domain))
    # What a text leads in with, and what its users do, stands anywhere.
    rng.shuffle(sentences)
    half = rng.randrange(2, len(sentences) - 1)
    paragraphs = [sentences] if rng.random() < 0.5 else [sentences[:half], sentences[half:]]
    requirements = "\n\n".join(" ".join(sentence.text for sentence in part) for part in paragraphs) + "\n"
    passages = split_passages(requirements)
    if len(passages) != len(sentences):
        raise ValueError(f"{requirements!r} is not read sentence by sentence")
    tracker = SubjectTracker()
    told: list[TeamPassage] = []
    for passage, sentence in zip(passages, sentences, strict=True):
        told.append(TeamPassage(tracker.subject_of(passage), normalise(passage.text), sentence.facts))
        tracker.answered(passage, sentence.facts)
    answers = [Answer(index, each.passage, each.facts) for index, each in enumerate(told)]
    return TeamText(requirements, render(merge(answers)), domain.name, tuple(told))


def _sentences(rng: Random, domain: Domain) -> Iterator[_Sentence]:
    tree = [link for link in domain.links if link.verb]
    others = [link for link in domain.links if not link.verb]
    told = rng.sample(tree, rng.choice((2, 3, 3)))
    told += rng.sample(others, rng.choice((0, 1, 1, 2)))
    related = [
        name for name in domain.entities if any(name in (link.parent, link.child) for link in told)
    ]  # fmt: skip
    for link in told:
        yield _relation(rng, domain, link)
    for entity in rng.sample(related, min(len(related), rng.choice((2, 2, 3)))):
        yield _attributes(rng, domain, entity)
    for _ in range(rng.choice((1, 1, 2)) if len(told) < 5 else 1):
        yield _untold(rng, domain, related)


def _relation(rng: Random, domain: Domain, link: Link) -> _Sentence:
    templates = {"N:M": _BOTH_WAYS, "1:1": _PAIRED}.get(link.cardinality) or rng.choices(
        (_UPWARDS, _DOWNWARDS, _USUAL), (45, 40, 15)
    )[0]
    text, stated = rng.choice(templates)
    slots = _slots(link.parent, link.child) | {"verb": link.verb}
    from_, cardinality, to = stated.split()
    facts: list[Fact] = [Relation(slots[from_], _cardinality(cardinality), slots[to])]
    attributes = domain.entities.get(link.child, ())
    if templates is _UPWARDS and text.startswith("{Bs} roll") and attributes and rng.random() < 0.4:
        chosen = _chosen(rng, attributes, 2)
        text += f" and carry {_listed('a', chosen)}"
        facts.extend(_attribute_facts(slots["Bs"], chosen))
    return _sentence(text, slots, facts)


def _attributes(rng: Random, domain: Domain, entity: str) -> _Sentence:
    attributes = domain.entities[entity]
    chosen = _chosen(rng, attributes, rng.choice((2, 3, 3, 4)))
    reference = next((name for name in attributes if name.endswith("#")), None)
    slots = _slots(entity, entity)
    draw = rng.random()
    if reference and draw < 0.3:
        text, facts = "{aA} goes by its " + reference[:-1], _attribute_facts(entity, [reference])
    elif draw < 0.6:
        text, facts = f"the {{A}} sheet lists {_listed('the', chosen)}", _attribute_facts(entity, chosen)
    elif draw < 0.8:
        text, facts = f"each {{A}} has {_listed('a', chosen)}", _attribute_facts(entity, chosen)
    else:
        text, facts = f"{{As}} have {_listed('a', chosen)}", _attribute_facts(slots["As"], chosen)
    return _sentence(text, slots, facts)


def _untold(rng: Random, domain: Domain, related: list[str]) -> _Sentence:
    first, second = rng.sample(related, 2)
    slots = _slots(first, second) | {"roles": rng.choice(domain.roles), "own": domain.own}
    if rng.random() < 0.2:
        return _sentence("the {own} runs {As} and {Bs}", slots, [Entities((slots["As"], slots["Bs"]))])
    return _sentence(rng.choice(_UNTOLD), slots, [])


def _slots(parent: str, child: str) -> dict[str, str]:
    found: dict[str, str] = {}
    for letter, name in (("A", parent), ("B", child)):
        found |= {letter: name, f"{letter}s": plural(name), f"a{letter}": f"{article(name)} {name}"}
    return found


def _sentence(text: str, slots: dict[str, str], facts: list[Fact]) -> _Sentence:
    filled = text.format_map(slots).replace(" ,", ",")
    return _Sentence(f"{filled[0].upper()}{filled[1:]}.", tuple(facts))


def _chosen(rng: Random, attributes: tuple[str, ...], count: int) -> list[str]:
    """So many of them, in their order."""
    kept = rng.sample(attributes, min(count, len(attributes)))
    return [attribute for attribute in attributes if attribute in kept]


def _listed(determiner: str, attributes: list[str]) -> str:
    names = [attribute.rstrip("#$") for attribute in attributes]
    words = [f"{article(name) if determiner == 'a' else determiner} {name}" for name in names]
    return " and ".join(filter(None, [", ".join(words[:-1]), words[-1]]))


def _attribute_facts(entity: str, attributes: list[str]) -> list[Fact]:
    types: dict[str, AttributeType] = {}
    keys: dict[str, Key] = {}
    for attribute in attributes:
        name = attribute.rstrip("#$")
        types[name] = "decimal" if attribute.endswith("$") else known_type(name) or "string"
        if attribute.endswith("#"):
            types[name], keys[name] = "string", "UK"
    return [Attributes(entity, types), *([Keys(entity, keys)] if keys else [])]


def _cardinality(text: str) -> Cardinality:
    match text:
        case "1:1" | "1:N" | "N:1" | "N:M":
            return text
        case _:
            raise ValueError(f"{text!r} is no cardinality")
