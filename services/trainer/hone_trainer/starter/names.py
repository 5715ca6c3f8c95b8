"""Names for entities and attributes: real, composed and made up.

Most names are composed or made up, so that a model can only get them right by copying them from the text;
a tenth of all words is kept for evaluation (see `lexicon.held_word`).
"""

from collections.abc import Callable
from dataclasses import dataclass
from random import Random

from hone_contracts.erd_facts import AttributeType, Key, is_name
from hone_trainer.starter.inflection import plural
from hone_trainer.starter.lexicon import Lexicon, held_word

COMMON_SHARE = 0.4
_COUNTS = ("number of", "number of", "maximum number of", "total number of", "amount of", "minimum number of")


@dataclass(frozen=True, slots=True)
class EntityName:
    """One entity as texts call it."""

    singular: str
    plural: str


@dataclass(frozen=True, slots=True)
class Attribute:
    """An attribute as a text names it."""

    name: str
    type: AttributeType
    key: Key | None = None


class NameSampler:
    """Draws names; with `held` each one contains at least one word that training never sees."""

    def __init__(self, lexicon: Lexicon, rng: Random, held: bool) -> None:
        self._lexicon = lexicon
        self._rng = rng
        self._held = held

    def entity(self) -> EntityName:
        while True:
            name = self._entity_singular()
            name_plural = plural(name)
            if self._allowed(name) and is_name(name) and is_name(name_plural):
                return EntityName(name, name_plural)

    def plain_entity(self) -> EntityName:
        """A well-known thing, so that "has a teacher" is told from "has a name"."""
        while True:
            name = self._known()
            if name in self._lexicon.plain_entities and is_name(plural(name)):
                return EntityName(name, plural(name))

    def entities(self, count: int) -> list[EntityName]:
        """Distinct names."""
        names: dict[str, EntityName] = {}
        while len(names) < count:
            name = self.entity()
            names.setdefault(name.singular, name)
        return list(names.values())

    def attribute(self, *, clear: bool = False) -> Attribute:
        """An attribute; with `clear` its name alone tells that it is one (no made-up word by itself)."""
        while True:
            attribute = self._attribute(clear=clear)
            if is_name(attribute.name):
                return attribute

    def pseudo_word(self) -> str:
        """A pronounceable word of one to three syllables that is in no dictionary, mostly."""
        rng, closed = self._rng, self._lexicon.closed
        while True:
            syllables = rng.choices((1, 2, 3), (3, 5, 2))[0]
            word = "".join(
                rng.choice(closed["onsets"]) + rng.choice(closed["vowels"]) for _ in range(syllables)
            )
            word += rng.choice(closed["codas"]) if rng.random() < 0.7 else ""
            if len(word) > 2 and held_word(self._lexicon.seed, word) == self._held:
                return word

    def _entity_singular(self) -> str:
        draw = self._rng.random()
        for share, make in self._entity_kinds:
            if draw < share:
                return make()
            draw -= share
        return self.pseudo_word()

    @property
    def _entity_kinds(self) -> tuple[tuple[float, Callable[[], str]], ...]:
        return (
            (0.52, self._known),
            (0.12, lambda: f"{self._any_word()} {self._head()}"),
            (0.07, self._any_word),
            (0.10, self.pseudo_word),
            (0.07, lambda: f"{self.pseudo_word()} {self._head()}"),
            (0.04, lambda: f"{self._any_word()} {self._any_word()}"),
            (0.03, lambda: f"{self._any_word()} {self.pseudo_word()}"),
            (0.03, lambda: f"{self._any_word()} {self._any_word()} {self._head()}"),
            (0.02, lambda: f"{self.pseudo_word()}-{self._any_word()}"),
        )

    def _known(self) -> str:
        lexicon = self._lexicon
        split = lexicon.common_entities if self._rng.random() < COMMON_SHARE else lexicon.entities
        return self._rng.choice(split.lines(self._held))

    def _any_word(self) -> str:
        return self._rng.choice(self._lexicon.words.lines(self._held))

    def _head(self) -> str:
        return self._rng.choice(self._lexicon.entities.seen).rpartition(" ")[2]

    def _attribute(self, *, clear: bool) -> Attribute:
        types = self._lexicon.attributes
        draw = self._rng.random() * (0.9 if clear else 1.0)
        if draw < (0.35 if self._held else 0.66):
            name = self._rng.choice(self._lexicon.attribute_names.lines(self._held))
            return Attribute(name, types[name])
        if draw < 0.90:
            head = self._rng.choice(self._lexicon.attribute_heads)
            return Attribute(f"{self._modifier()} {head}", types[head])
        if draw < 0.93:
            return Attribute(f"{self._rng.choice(_COUNTS)} {plural(self._any_word())}", "int")
        return Attribute(self._modifier(), "string")

    def _modifier(self) -> str:
        return self._any_word() if self._rng.random() < 0.6 else self.pseudo_word()

    def _allowed(self, name: str) -> bool:
        words = name.replace("-", " ").split()
        held = any(held_word(self._lexicon.seed, word) for word in words)
        return held == self._held
