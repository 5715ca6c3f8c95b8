"""Sentences of several clauses: shared subjects, shared verbs, relative clauses."""

from hone_contracts.erd_facts import Fact, Relation, first_entity
from hone_trainer.starter.clauses import (
    Subject,
    attribute_clause,
    attribute_predicate,
    new_subject,
    predicate,
    pronoun,
    verb_clause,
)
from hone_trainer.starter.names import EntityName
from hone_trainer.starter.sentences import Draft, new_entity, stating_clause, subject_line
from hone_trainer.starter.writer import Spoken, Writer


def dense(writer: Writer) -> Draft:
    """One subject and two to four predicates."""
    if writer.chance(0.2):
        surface, is_plural = subject_line(writer, new_entity(writer))
        subject = pronoun(writer, surface, plural=is_plural)
        line: str | None = surface
    else:
        subject, line = new_subject(writer, new_entity(writer)), None
    parts: list[str] = []
    facts: list[Fact] = []
    for _ in range(writer.rng.choices((2, 3, 4), (60, 30, 10))[0]):
        text, stated = _any_predicate(writer, subject)
        parts.append(text)
        facts.extend(stated)
    return Draft(Spoken(f"{subject.text} {_predicates_joined(writer, parts)}", facts), line)


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


def two_clauses(writer: Writer) -> Draft:
    """Two or three full clauses; the later ones may speak of the first's subject or of its object."""
    leading = new_entity(writer)
    subject = new_subject(writer, leading)
    other = new_entity(writer)
    first = (
        verb_clause(writer, subject, other)
        if writer.chance(0.7)
        else attribute_clause(writer, "list", leading)
    )
    if not any(fact.from_ == subject.surface for fact in first.facts if isinstance(fact, Relation)):
        # The attribute sentence wrote its own subject, perhaps in the other number.
        named = first_entity(first.facts[0])
        subject = Subject(named, named, "all" if named == leading.plural else "each")
    texts, facts = [first.text], list(first.facts)
    for _ in range(writer.rng.choices((1, 2), (80, 20))[0]):
        following = _following(writer, subject, leading, other)
        texts.append(following.text)
        facts.extend(following.facts)
    joined = texts[0]
    for text in texts[1:]:
        joined = f"{joined} {writer.closed('join')} {text}"
    return Draft(Spoken(joined, facts))


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
            return stating_clause(writer)


def relative(writer: Writer) -> Draft:
    """ "each order , which belongs to one customer , has a number"."""
    subject = new_subject(writer, new_entity(writer))
    inner, inner_facts = _any_predicate(writer, subject)
    outer, outer_facts = _any_predicate(writer, subject)
    who = writer.rng.choice(("which", "which", "that", "who"))
    text = (
        f"{subject.text} , {who} {inner} , {outer}"
        if who != "that"
        else f"{subject.text} that {inner} {outer}"
    )
    if writer.chance(0.4):
        other = new_entity(writer)
        first, facts = predicate(writer, subject, other)
        named = _last_name(facts)
        inner, inner_facts = attribute_predicate(
            writer, Subject("", named, "all" if named == other.plural else "each")
        )
        link = writer.rng.choice(("which", "each of which", "which in turn", "and each of them"))
        return Draft(Spoken(f"{subject.text} {first} , {link} {inner}", [*facts, *inner_facts]))
    return Draft(Spoken(text, [*inner_facts, *outer_facts]))


def _last_name(facts: list[Fact]) -> str:
    return next(fact.to for fact in reversed(facts) if isinstance(fact, Relation))


def several_subjects(writer: Writer) -> Draft:
    """ "members and guests can borrow books": two subjects, one predicate."""
    a, b, c = writer.names.entities(3)
    first = Subject("", a.plural, "all")
    text, facts = predicate(writer, first, c)
    more = [Relation(b.plural, fact.cardinality, fact.to) for fact in facts if isinstance(fact, Relation)]
    both = writer.rng.choice(
        ("both {} and {}", "{} and {}", "{} and {}", "{} as well as {}", "{} or {}", "all {} and {}")
    )
    return Draft(Spoken(f"{both.format(a.plural, b.plural)} {text}", [*facts, *more]))


def several_objects(writer: Writer) -> Draft:
    """ "a project has tasks, milestones and one manager": one verb, several objects."""
    subject = new_subject(writer, new_entity(writer))
    text, facts = predicate(writer, subject)
    first = facts[-1]
    if not isinstance(first, Relation):  # a predicate always states a relation
        return Draft(Spoken(f"{subject.text} {text}", facts))
    items: list[str] = []
    many = first.cardinality.endswith(("N", "M"))
    for _ in range(writer.rng.choices((1, 2, 3), (60, 30, 10))[0]):
        item, to = _one_more_object(writer, many=many)
        items.append(item)
        facts.append(Relation(subject.surface, first.cardinality, to))
    joined = (
        " , ".join([text, *items[:-1]]) + writer.rng.choice((" and ", " , and ", " as well as ")) + items[-1]
    )
    return Draft(Spoken(f"{subject.text} {joined}", facts))


def _one_more_object(writer: Writer, *, many: bool) -> tuple[str, str]:
    name = writer.names.entity()
    if not many:
        return writer.one(name), name.singular
    return writer.many(name) if writer.chance(0.5) else (writer.all(name), name.plural)
