"""Fills the slots of a template about entities and attributes, and says which facts the text states."""

from collections.abc import Callable

from hone_contracts.erd_facts import CARDINALITIES, Cardinality, Fact, Keys
from hone_trainer.starter import attribute_lists
from hone_trainer.starter.errors import PhraseError
from hone_trainer.starter.names import Attribute, EntityName
from hone_trainer.starter.templates import fill
from hone_trainer.starter.writer import Writer, attribute_facts, entity_fact, relation

_NOISE = ("thing", "matter", "item", "case", "screen", "office", "report", "team", "staff", "customer")
# These letters stand for well-known things, which nobody takes for attributes.
_PLAIN = frozenset("PQ")
_ListWriter = Callable[[Writer, list[Attribute]], tuple[str, list[Attribute]]]
_LISTS: dict[str, _ListWriter] = {
    "attrs": attribute_lists.with_articles,
    "bare": attribute_lists.bare,
    "its": attribute_lists.possessive,
    "thelist": attribute_lists.definite,
    "colon": attribute_lists.after_colon,
}


def _own_organisation(writer: Writer) -> str:
    """What the author's own company or club is: no entity of the model, whatever its name."""
    return writer.names.entity().singular if writer.chance(0.5) else writer.closed("own organisations")


_ATTRIBUTE_SLOTS = frozenset({"attr", "attrb", "attrc", "enum", "pk", "pk2", "uk"})
# Slots that leave no trace in the facts.
_PLAIN_SLOTS: dict[str, Callable[[Writer], str]] = {
    "values": attribute_lists.enum_values,
    "word": lambda writer: writer.rng.choice(writer.lexicon.words.seen),
    "own": _own_organisation,
    "org": lambda writer: f"{writer.rng.choice(('the', 'the', 'our'))} {writer.closed('own organisations')}",
    "noise": lambda writer: writer.rng.choice(_NOISE),
    "who": lambda writer: writer.closed("person"),
    "num": Writer.number,
    "year": Writer.year,
    "month": Writer.month,
}


class Slots:
    """One text's slots. Entities may be given; others are drawn when first named."""

    def __init__(self, writer: Writer, entities: dict[str, EntityName] | None = None) -> None:
        self._writer = writer
        self._entities = dict(entities or {})
        # Under which words an entity stands in the text, by its letter; the first mention counts.
        self.surfaces: dict[str, str] = {}
        self.attributes: list[Attribute] = []

    def fill(self, text: str) -> str:
        return fill(text, self._slot)

    def entity(self, letter: str) -> EntityName:
        while letter not in self._entities:
            names = self._writer.names
            drawn = names.plain_entity() if letter in _PLAIN else names.entity()
            if all(drawn.singular != other.singular for other in self._entities.values()):
                self._entities[letter] = drawn
        return self._entities[letter]

    def _slot(self, slot: str) -> str:
        form, colon, letter = slot.partition(":")
        if colon:
            return self._named(form, letter)
        if slot[0].isupper():
            return self._named("plain", slot) if len(slot) == 1 else self._named("plural", slot[0])
        if slot in _LISTS:
            return self._list(_LISTS[slot])
        return self._word(slot)

    def _named(self, form: str, letter: str) -> str:
        name = self.entity(letter)
        text, surface = self._written(form, name)
        self.surfaces.setdefault(letter, surface)
        return text

    def _written(self, form: str, name: EntityName) -> tuple[str, str]:
        """The words of a slot and which of the name's forms is in them."""
        writer = self._writer
        match form:
            case "each":
                text = writer.each(name)
                return text, name.plural if text.startswith("each of the ") else name.singular
            case "one":
                text = writer.one(name)
            case "a":
                text = writer.a(name)
            case "the" | "its":
                text = f"{form} {name.singular}"
            case "plain":
                text = name.singular
            case "many":
                return writer.many(name)
            case "all":
                return writer.all(name), name.plural
            case "plural":
                return name.plural, name.plural
            case _:
                raise PhraseError(form, "no such form of a name")
        return text, name.singular

    def _list(self, write: _ListWriter) -> str:
        count = attribute_lists.attribute_count(self._writer)
        text, said = write(self._writer, self._fresh(count, clear=count == 1))
        self.attributes.extend(said)
        return text

    def _fresh(self, count: int, *, clear: bool) -> list[Attribute]:
        known = {a.name for a in self.attributes}
        found: list[Attribute] = []
        while len(found) < count:
            attribute = self._writer.names.attribute(clear=clear)
            if attribute.name not in known:
                known.add(attribute.name)
                found.append(attribute)
        return found

    def _word(self, slot: str) -> str:
        if slot in _ATTRIBUTE_SLOTS:
            return self._attribute(slot)
        if slot in {"attr1", "attr2", "attr3"}:
            text, said = attribute_lists.with_articles(self._writer, self._fresh(1, clear=True))
            self.attributes.extend(said)
            return text
        if slot == "type":
            return self._typed()
        if slot not in _PLAIN_SLOTS:
            raise PhraseError(slot, "no such slot")
        return _PLAIN_SLOTS[slot](self._writer)

    def _attribute(self, slot: str) -> str:
        attribute = self._fresh(1, clear=slot == "attr")[0]
        match slot:
            case "enum":
                attribute = Attribute(attribute.name, "enum")
            case "pk" | "pk2":
                attribute = Attribute(attribute.name, attribute.type, "PK")
            case "uk":
                attribute = Attribute(attribute.name, attribute.type, "UK")
        self.attributes.append(attribute)
        return attribute.name

    def _typed(self) -> str:
        """A type said after the attribute that it belongs to."""
        spoken, meant = self._writer.rng.choice(attribute_lists.SPOKEN_TYPES)
        last = self.attributes[-1]
        self.attributes[-1] = Attribute(last.name, meant, last.key)
        return spoken


def relation_facts(slots: Slots, stated: str) -> list[Fact]:
    """The facts after "=>": "A 1:N B ; B N:1 C", "e A B", or "a A" for the attributes said of A."""
    facts: list[Fact] = []
    for part in stated.split(";"):
        words = part.split()
        if words[0] == "e":
            facts.append(entity_fact(*(slots.surfaces[letter] for letter in words[1:])))
            continue
        if words[0] == "a":
            facts.extend(attribute_slot_facts(slots, slots.surfaces[words[1]]))
            continue
        from_, written, to = words
        facts.append(relation(slots.surfaces[from_], _cardinality(written), slots.surfaces[to]))
    return facts


def attribute_slot_facts(slots: Slots, entity: str) -> list[Fact]:
    """Facts of a text's attributes. A sentence that says nothing but what the key is states only that."""
    attributes = slots.attributes
    keys = {attribute.name: attribute.key for attribute in attributes if attribute.key}
    if len(keys) == len(attributes):
        return [Keys(entity, keys)]
    return attribute_facts(entity, attributes)


def list_of_entities(writer: Writer, names: list[EntityName], *, plural_form: bool) -> tuple[str, list[str]]:
    """ "books, members and loans" and the words under which each stands."""
    surfaces = [name.plural if plural_form else name.singular for name in names]
    style = writer.rng.choices(("", "the ", "its ", "their "), (82, 6, 8, 4))[0] if plural_form else ""
    return attribute_lists.joined(
        writer, [style + s if i == 0 else s for i, s in enumerate(surfaces)]
    ), surfaces


def _cardinality(written: str) -> Cardinality:
    found = next((c for c in CARDINALITIES if c == written), None)
    if found is None:
        raise PhraseError(written, "no such cardinality")
    return found
