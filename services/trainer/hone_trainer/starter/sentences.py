"""Sentences of one clause, and list items: what each says and the subject line it needs."""

from collections.abc import Callable
from dataclasses import dataclass

from hone_contracts.erd_facts import Entities
from hone_trainer.starter.clauses import attribute_clause, carried_clause, new_subject, pronoun, verb_clause
from hone_trainer.starter.names import EntityName
from hone_trainer.starter.slots import Slots, list_of_entities, relation_facts
from hone_trainer.starter.templates import expand
from hone_trainer.starter.writer import Spoken, Writer


@dataclass(frozen=True, slots=True)
class Draft:
    """A clause with the subject line it needs; None where any will do."""

    spoken: Spoken
    subject: str | None = None
    bare: bool = False  # a list item: no opener, rarely a full stop


def new_entity(writer: Writer) -> EntityName:
    return writer.names.entity()


def subject_line(writer: Writer, name: EntityName) -> tuple[str, bool]:
    """The words of a subject line, and whether they are plural."""
    is_plural = writer.chance(0.4)
    return (name.plural if is_plural else name.singular), is_plural


def verb(writer: Writer) -> Draft:
    if writer.chance(0.2):
        surface, is_plural = subject_line(writer, new_entity(writer))
        return Draft(verb_clause(writer, pronoun(writer, surface, plural=is_plural)), surface)
    return Draft(verb_clause(writer, new_subject(writer, new_entity(writer))))


def relation_template(section: str, *, may_carry: bool = True) -> Callable[[Writer], Draft]:
    """A maker of sentences of this section; with `may_carry` some say "it" and need their subject line."""

    def make(writer: Writer) -> Draft:
        text, _, stated = writer.line(writer.lexicon.relations[section]).partition("=>")
        slots = Slots(writer)
        carried = (
            may_carry
            and text.startswith(("{each:A} has", "{each:A} is", "{each:A} belongs", "{each:A} ["))
            and writer.chance(0.15)
        )
        if carried:
            surface, _ = subject_line(writer, slots.entity("A"))
            slots.surfaces["A"] = surface
            text = "it" + text[len("{each:A}") :]
            filled = slots.fill(expand(text, writer.rng))
            return Draft(Spoken(filled, relation_facts(slots, stated)), surface)
        filled = slots.fill(expand(text, writer.rng))
        return Draft(Spoken(filled, relation_facts(slots, stated)))

    return make


def attributes(section: str) -> Callable[[Writer], Draft]:
    def make(writer: Writer) -> Draft:
        if not writer.chance(0.22):
            return Draft(attribute_clause(writer, section))
        surface, is_plural = subject_line(writer, new_entity(writer))
        carried = pronoun(writer, surface, plural=is_plural)
        return Draft(attribute_clause(writer, section, carried=carried), surface)

    return make


def carried(section: str) -> Callable[[Writer], Draft]:
    def make(writer: Writer) -> Draft:
        surface, _ = subject_line(writer, new_entity(writer))
        return Draft(carried_clause(writer, section, surface), surface, bare=section == "item")

    return make


def mention(writer: Writer) -> Draft:
    section = writer.rng.choices(("list", "one", "kind"), (60, 28, 12))[0]
    text, _, stated = writer.line(writer.lexicon.mentions[section]).partition("=>")
    bare = text.strip().removeprefix("- ") in {"{list}", "{A}", "{A+}"}
    subject = "" if bare and writer.chance(0.8) else None
    expanded = expand(text, writer.rng)
    slots = Slots(writer)
    if stated.strip() != "list":
        return Draft(Spoken(slots.fill(expanded), relation_facts(slots, stated)), subject, bare)
    count = writer.rng.choices((1, 2, 3, 4, 5, 6), (8, 24, 32, 20, 10, 6))[0]
    names, surfaces = list_of_entities(writer, writer.names.entities(count), plural_form=writer.chance(0.85))
    filled = slots.fill(expanded.replace("{list}", names))
    return Draft(Spoken(filled, [Entities(tuple(surfaces))]), subject, bare)


def empty(writer: Writer) -> Draft:
    text = Slots(writer).fill(writer.phrase(writer.lexicon.empties))
    return Draft(Spoken(text, []))


def stating_clause(writer: Writer) -> Spoken:
    draw = writer.rng.random()
    if draw < 0.5:
        return verb_clause(writer, new_subject(writer, new_entity(writer)))
    if draw < 0.8:
        return attribute_clause(writer, "list")
    if draw < 0.92:
        return relation_template("single", may_carry=False)(writer).spoken
    return attribute_clause(writer, "key")


def partly_empty(writer: Writer) -> Draft:
    """A clause that says nothing beside one that does."""
    stated = stating_clause(writer)
    other = Slots(writer).fill(writer.phrase(writer.lexicon.empties)).rstrip(" .?:")
    join = writer.rng.choice((" , but ", " , and ", " , so ", " , because ", " ; ", " , since ", " . "))
    texts = [stated.text, other] if writer.chance(0.65) else [other, stated.text]
    return Draft(Spoken(join.join(texts), stated.facts))
