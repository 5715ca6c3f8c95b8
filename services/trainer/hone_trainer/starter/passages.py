"""Whole passages: the subject carried over, one sentence or list item, and the facts it states."""

from collections.abc import Callable
from dataclasses import dataclass
from random import Random

from hone_contracts import erd_facts
from hone_contracts.erd_facts import Attributes, Entities, Fact, Facts, Keys, Relation

from hone_trainer.starter.clauses import (
    Subject,
    attribute_clause,
    attribute_predicate,
    carried_clause,
    new_subject,
    predicate,
    pronoun,
    verb_clause,
)
from hone_trainer.starter.inflection import plural
from hone_trainer.starter.lexicon import Lexicon
from hone_trainer.starter.names import EntityName
from hone_trainer.starter.slots import Slots, list_of_entities, relation_facts
from hone_trainer.starter.templates import expand
from hone_trainer.starter.writer import Spoken, Writer


@dataclass(frozen=True, slots=True)
class Sample:
    """What the model is asked and what it should answer; all words normalised."""

    kind: str
    subject: str
    passage: str
    facts: Facts


@dataclass(frozen=True, slots=True)
class _Draft:
    """A clause with the subject line it needs; None where any will do."""

    spoken: Spoken
    subject: str | None = None
    bare: bool = False  # a list item: no opener, rarely a full stop


def sample(
    lexicon: Lexicon,
    rng: Random,
    *,
    held_names: bool = False,
    held_phrasings: bool = False,
    kind: str | None = None,
) -> Sample:
    """One passage. With `held_…` it is made of names or phrasings that training never sees."""
    chosen = kind or rng.choices(tuple(_KINDS), tuple(share for share, _ in _KINDS.values()))[0]
    writer = Writer(lexicon, rng, held_names, held_phrasings)
    while True:
        found = _finished(writer, chosen, _KINDS[chosen][1](writer))
        if len(found.passage.split()) <= 60:
            return found


def _finished(writer: Writer, kind: str, draft: _Draft) -> Sample:
    text = draft.spoken.text
    if not draft.bare:
        text = _framed(writer, text)
    subject = draft.subject if draft.subject is not None else _any_subject(writer, draft.spoken.facts)
    return Sample(
        kind, erd_facts.normalise(subject), erd_facts.normalise(text), tuple(tidied(draft.spoken.facts))
    )


def _framed(writer: Writer, text: str) -> str:
    """A sentence with what may stand around it."""
    if writer.chance(0.14):
        text = f"{writer.closed('opener')} {text}"
    if writer.chance(0.12):
        text = f"{text} {writer.closed('adjunct')}"
    elif writer.chance(0.03) and not text.endswith((".", "?", ":")):
        text = f"{text} {Slots(writer).fill(writer.closed('such as'))}"
    if text.endswith((".", "?", ":")):
        return text
    return text + writer.rng.choices((" .", "", " ;", " !"), (90, 8, 1.5, 0.5))[0]


def _any_subject(writer: Writer, facts: list[Fact]) -> str:
    """A subject line that this passage does not need: often what it is about anyway, or nearly so."""
    draw = writer.rng.random()
    name = writer.names.entity()
    if draw < 0.2:
        return ""
    if draw < 0.5 and facts:
        about = _first_name(facts[0])
        if draw < 0.38:
            return about
        if draw < 0.44:  # a heading in the other number
            return about.removesuffix("s") if about.endswith("s") else plural(about)
        return f"{about} {name.singular.rpartition(' ')[2]}"  # "loan rules" above a sentence about a loan
    return name.plural if writer.chance(0.4) else name.singular


def _first_name(fact: Fact) -> str:
    match fact:
        case Entities(names):
            return names[0]
        case Attributes(entity) | Keys(entity):
            return entity
        case Relation(from_):
            return from_


def tidied(facts: list[Fact]) -> list[Fact]:
    """Facts of the same entity merged, and entities left out that another fact names."""
    merged: list[Fact] = []
    for fact in facts:
        last = merged[-1] if merged else None
        if isinstance(fact, Attributes) and isinstance(last, Attributes) and fact.entity == last.entity:
            merged[-1] = Attributes(fact.entity, {**last.types, **fact.types})
        elif fact not in merged:
            merged.append(fact)
    named = {name for fact in merged for name in _related(fact)}
    kept: list[Fact] = []
    for fact in merged:
        if isinstance(fact, Entities):
            names = tuple(name for name in fact.names if name not in named)
            kept.extend([Entities(names)] if names else [])
        else:
            kept.append(fact)
    return kept


def _related(fact: Fact) -> tuple[str, ...]:
    match fact:
        case Attributes(entity) | Keys(entity):
            return (entity,)
        case Relation(from_, _, to):
            return (from_, to)
        case _:
            return ()


def _entity(writer: Writer) -> EntityName:
    return writer.names.entity()


def _surface(writer: Writer, name: EntityName) -> tuple[str, bool]:
    """The words of a subject line, and whether they are plural."""
    is_plural = writer.chance(0.4)
    return (name.plural if is_plural else name.singular), is_plural


def _verb(writer: Writer) -> _Draft:
    if writer.chance(0.2):
        surface, is_plural = _surface(writer, _entity(writer))
        return _Draft(verb_clause(writer, pronoun(writer, surface, plural=is_plural)), surface)
    return _Draft(verb_clause(writer, new_subject(writer, _entity(writer))))


def _relation_template(section: str) -> Callable[[Writer], _Draft]:
    def make(writer: Writer) -> _Draft:
        text, _, stated = writer.line(writer.lexicon.relations[section]).partition("=>")
        slots = Slots(writer)
        carried = text.startswith(
            ("{each:A} has", "{each:A} is", "{each:A} belongs", "{each:A} [")
        ) and writer.chance(0.15)
        if carried:
            surface, _ = _surface(writer, slots.entity("A"))
            slots.surfaces["A"] = surface
            text = "it" + text[len("{each:A}") :]
            filled = slots.fill(expand(text, writer.rng))
            return _Draft(Spoken(filled, relation_facts(slots, stated)), surface)
        filled = slots.fill(expand(text, writer.rng))
        return _Draft(Spoken(filled, relation_facts(slots, stated)))

    return make


def _attributes(section: str) -> Callable[[Writer], _Draft]:
    def make(writer: Writer) -> _Draft:
        if not writer.chance(0.22):
            return _Draft(attribute_clause(writer, section))
        surface, is_plural = _surface(writer, _entity(writer))
        carried = pronoun(writer, surface, plural=is_plural)
        return _Draft(attribute_clause(writer, section, carried=carried), surface)

    return make


def _carried(section: str) -> Callable[[Writer], _Draft]:
    def make(writer: Writer) -> _Draft:
        surface, _ = _surface(writer, _entity(writer))
        return _Draft(carried_clause(writer, section, surface), surface, bare=section == "item")

    return make


def _mention(writer: Writer) -> _Draft:
    section = writer.rng.choices(("list", "one", "kind"), (60, 28, 12))[0]
    text, _, stated = writer.line(writer.lexicon.mentions[section]).partition("=>")
    bare = text.strip().removeprefix("- ") in {"{list}", "{A}", "{A+}"}
    subject = "" if bare and writer.chance(0.8) else None
    expanded = expand(text, writer.rng)
    slots = Slots(writer)
    if stated.strip() != "list":
        return _Draft(Spoken(slots.fill(expanded), relation_facts(slots, stated)), subject, bare)
    count = writer.rng.choices((1, 2, 3, 4, 5, 6), (8, 24, 32, 20, 10, 6))[0]
    names, surfaces = list_of_entities(writer, writer.names.entities(count), plural_form=writer.chance(0.85))
    filled = slots.fill(expanded.replace("{list}", names))
    return _Draft(Spoken(filled, [Entities(tuple(surfaces))]), subject, bare)


def _empty(writer: Writer) -> _Draft:
    text = Slots(writer).fill(writer.phrase(writer.lexicon.empties))
    return _Draft(Spoken(text, []))


def _cut_short(writer: Writer) -> _Draft:
    """A clause that says nothing beside one that does."""
    stated = _stating_clause(writer)
    other = Slots(writer).fill(writer.phrase(writer.lexicon.empties)).rstrip(" .?:")
    join = writer.rng.choice((" , but ", " , and ", " , so ", " , because ", " ; ", " , since ", " . "))
    texts = [stated.text, other] if writer.chance(0.65) else [other, stated.text]
    return _Draft(Spoken(join.join(texts), stated.facts))


def _dense(writer: Writer) -> _Draft:
    """One subject and two to four predicates."""
    if writer.chance(0.2):
        surface, is_plural = _surface(writer, _entity(writer))
        subject = pronoun(writer, surface, plural=is_plural)
        line: str | None = surface
    else:
        subject, line = new_subject(writer, _entity(writer)), None
    parts: list[str] = []
    facts: list[Fact] = []
    for _ in range(writer.rng.choices((2, 3, 4), (60, 30, 10))[0]):
        text, stated = _any_predicate(writer, subject)
        parts.append(text)
        facts.extend(stated)
    return _Draft(Spoken(f"{subject.text} {_predicates_joined(writer, parts)}", facts), line)


def _any_predicate(writer: Writer, subject: Subject) -> tuple[str, list[Fact]]:
    if writer.chance(0.36):
        return attribute_predicate(writer, subject)
    return predicate(writer, subject)


def _predicates_joined(writer: Writer, parts: list[str]) -> str:
    last = writer.rng.choice(
        (" and ", " , and ", " and ", " , and also ", " and also ", " , but ", " , and it ", " as well as ")
    )
    # "is taught by one teacher and attended by many students"
    verbs = [part.split(" ")[0] for part in parts]
    if verbs[-1] == verbs[-2] and verbs[-1] in {"is", "are", "has", "have"} and writer.chance(0.6):
        parts = [*parts[:-1], parts[-1].partition(" ")[2]]
    return " , ".join(parts[:-1]) + last.replace(" it ", " ") + parts[-1]


def _two_clauses(writer: Writer) -> _Draft:
    """Two or three full clauses; the later ones may speak of the first's subject or of its object."""
    first_name = _entity(writer)
    subject = new_subject(writer, first_name)
    other = _entity(writer)
    first = (
        verb_clause(writer, subject, other)
        if writer.chance(0.7)
        else attribute_clause(writer, "list", first_name)
    )
    if not any(fact.from_ == subject.surface for fact in first.facts if isinstance(fact, Relation)):
        # The attribute sentence wrote its own subject, perhaps in the other number.
        named = _first_name(first.facts[0])
        subject = Subject(named, named, "all" if named == first_name.plural else "each")
    texts, facts = [first.text], list(first.facts)
    for _ in range(writer.rng.choices((1, 2), (80, 20))[0]):
        following = _following(writer, subject, first_name, other)
        texts.append(following.text)
        facts.extend(following.facts)
    joined = texts[0]
    for text in texts[1:]:
        joined = f"{joined} {writer.closed('join')} {text}"
    return _Draft(Spoken(joined, facts))


def _following(writer: Writer, subject: Subject, first: EntityName, other: EntityName) -> Spoken:
    match writer.rng.choices(("pronoun", "back", "object", "new"), (35, 25, 20, 20))[0]:
        case "pronoun":
            carried = Subject(
                "they" if subject.plural else "it",
                subject.surface,
                "plural pronoun" if subject.plural else "singular pronoun",
            )
            if writer.chance(0.5):
                return verb_clause(writer, carried)
            text, facts = attribute_predicate(writer, carried)
            return Spoken(f"{carried.text} {text}", facts)
        case "back":
            return verb_clause(writer, new_subject(writer, other), first)
        case "object":
            return (
                attribute_clause(writer, "list", other)
                if writer.chance(0.5)
                else verb_clause(writer, new_subject(writer, other))
            )
        case _:
            return _stating_clause(writer)


def _relative(writer: Writer) -> _Draft:
    """ "each order , which belongs to one customer , has a number"."""
    subject = new_subject(writer, _entity(writer))
    inner, inner_facts = _any_predicate(writer, subject)
    outer, outer_facts = _any_predicate(writer, subject)
    who = writer.rng.choice(("which", "which", "that", "who"))
    text = (
        f"{subject.text} , {who} {inner} , {outer}"
        if who != "that"
        else f"{subject.text} that {inner} {outer}"
    )
    if writer.chance(0.4):
        other = _entity(writer)
        first, facts = predicate(writer, subject, other)
        inner, inner_facts = attribute_predicate(
            writer, Subject("", _last_name(facts), "all" if _last_name(facts) == other.plural else "each")
        )
        return _Draft(
            Spoken(
                f"{subject.text} {first} , {writer.rng.choice(('which', 'each of which', 'which in turn', 'and each of them'))} {inner}",
                [*facts, *inner_facts],
            )
        )
    return _Draft(Spoken(text, [*inner_facts, *outer_facts]))


def _last_name(facts: list[Fact]) -> str:
    return next(fact.to for fact in reversed(facts) if isinstance(fact, Relation))


def _subjects(writer: Writer) -> _Draft:
    """ "members and guests can borrow books": two subjects, one predicate."""
    a, b, c = writer.names.entities(3)
    first = Subject("", a.plural, "all")
    text, facts = predicate(writer, first, c)
    more = [Relation(b.plural, fact.cardinality, fact.to) for fact in facts if isinstance(fact, Relation)]
    both = writer.rng.choice(
        ("both {} and {}", "{} and {}", "{} and {}", "{} as well as {}", "{} or {}", "all {} and {}")
    )
    return _Draft(Spoken(f"{both.format(a.plural, b.plural)} {text}", [*facts, *more]))


def _objects(writer: Writer) -> _Draft:
    """ "a project has tasks, milestones and one manager": one verb, several objects."""
    subject = new_subject(writer, _entity(writer))
    text, facts = predicate(writer, subject)
    first = facts[-1]
    if not isinstance(first, Relation):  # a predicate always states a relation
        return _Draft(Spoken(f"{subject.text} {text}", facts))
    items: list[str] = []
    many = first.cardinality.endswith(("N", "M"))
    for _ in range(writer.rng.choices((1, 2, 3), (60, 30, 10))[0]):
        name = writer.names.entity()
        to = name.plural if many else name.singular
        items.append(
            (writer.all(name) if writer.chance(0.5) else writer.many(name)) if many else writer.one(name)
        )
        facts.append(Relation(subject.surface, first.cardinality, to))
    joined = (
        " , ".join([text, *items[:-1]]) + writer.rng.choice((" and ", " , and ", " as well as ")) + items[-1]
    )
    return _Draft(Spoken(f"{subject.text} {joined}", facts))


def _stating_clause(writer: Writer) -> Spoken:
    draw = writer.rng.random()
    if draw < 0.5:
        return verb_clause(writer, new_subject(writer, _entity(writer)))
    if draw < 0.8:
        return attribute_clause(writer, "list")
    return _relation_template("single")(writer).spoken if draw < 0.92 else attribute_clause(writer, "key")


# Kind of passage: its share of the corpus, and who makes it.
_KINDS: dict[str, tuple[float, Callable[[Writer], _Draft]]] = {
    "verb": (16, _verb),
    "relation": (8, _relation_template("single")),
    "relations": (8, _relation_template("double")),
    "mixed": (9, _relation_template("mixed")),
    "attributes": (13, _attributes("list")),
    "attribute": (4, _attributes("single")),
    "enum": (2, _attributes("enum")),
    "key": (5, _attributes("key")),
    "item": (5, _carried("item")),
    "carried": (4, _carried("carried")),
    "mention": (6, _mention),
    "dense": (7, _dense),
    "clauses": (5, _two_clauses),
    "relative": (3, _relative),
    "subjects": (2, _subjects),
    "objects": (3, _objects),
    "part empty": (3, _cut_short),
    "empty": (18, _empty),
}
KINDS = tuple(_KINDS)
