"""Writes one passage: fills slots, remembers under which words each entity stands in the text, collects facts."""

from dataclasses import dataclass, field
from random import Random

from hone_contracts.erd_facts import Attributes, Cardinality, Entities, Fact, Keys, Relation
from hone_trainer.starter.inflection import article, modal_for_plural
from hone_trainer.starter.lexicon import Lexicon, Split
from hone_trainer.starter.names import Attribute, EntityName, NameSampler
from hone_trainer.starter.templates import expand

ADJECTIVE_SHARE = 0.05
REMARK_SHARE = 0.03
MANY_SINGULAR_SHARE = 0.14
_QUANTITIES = (
    "{}", "up to {}", "at most {}", "at least {}", "between {} and {}", "no more than {}", "a maximum of {}",
    "a minimum of {}", "more than {}", "exactly {}", "{} or more", "{} to {}",
)  # fmt: skip
_AS_MANY = ("they like", "needed", "it needs", "they want", "necessary", "it likes", "wanted")
_MONTHS = ("january", "march", "april", "june", "july", "september", "october", "december")


@dataclass(frozen=True, slots=True)
class Spoken:
    """Text of a clause and what it states."""

    text: str
    facts: list[Fact] = field(default_factory=list)


@dataclass
class Writer:
    """The random choices of one passage. `held` draws phrasings and names that training never sees."""

    lexicon: Lexicon
    rng: Random
    held_names: bool = False
    held_phrasings: bool = False

    def __post_init__(self) -> None:
        self.names = NameSampler(self.lexicon, self.rng, self.held_names)

    def chance(self, share: float) -> bool:
        return self.rng.random() < share

    def line(self, split: Split) -> str:
        """A phrasing from the half of the pool that this passage may use."""
        return self.rng.choice(split.lines(self.held_phrasings))

    def phrase(self, split: Split) -> str:
        return expand(self.line(split), self.rng)

    def closed(self, section: str) -> str:
        return self.rng.choice(self.lexicon.closed[section])

    def each(self, name: EntityName) -> str:
        """ "each order", "an order"."""
        return self._determined(self.closed("each"), name)

    def one(self, name: EntityName) -> str:
        """ "exactly one order"."""
        return self._determined(self.closed("one"), name)

    def a(self, name: EntityName) -> str:
        return self._determined("a", name)

    def many(self, name: EntityName) -> tuple[str, str]:
        """ "one or more orders", "at least one order", and which form of the name that is."""
        if self.chance(MANY_SINGULAR_SHARE):
            return f"{self.closed('many singular')} {self.adjective()}{name.singular}", name.singular
        if self.chance(0.03):
            return f"as many {name.plural} as {self.rng.choice(_AS_MANY)}", name.plural
        quantity = self.quantity() if self.chance(0.1) else self.closed("many")
        return f"{quantity} {self.adjective()}{name.plural}", name.plural

    def quantity(self) -> str:
        number = self.rng.choice(
            ("two", "three", "four", "six", "eight", "twelve", str(self.rng.randint(2, 200)))
        )
        form = self.rng.choice(_QUANTITIES)
        return form.format(number, self.rng.randint(5, 300))

    def all(self, name: EntityName) -> str:
        """ "orders", "all orders"."""
        return f"{self.closed('all')} {self.adjective()}{name.plural}".strip()

    def adjective(self) -> str:
        """Now and then a word that describes and is no part of the name."""
        return f"{self.closed('adjective')} " if self.chance(ADJECTIVE_SHARE) else ""

    def modal(self, *, plural: bool) -> str:
        modal = self.closed("modal")
        return modal_for_plural(modal) if plural else modal

    def number(self) -> str:
        rng = self.rng
        words = ("two", "three", "five", "ten", "a few", "twelve", "hundred")
        return (
            rng.choice(words)
            if self.chance(0.2)
            else str(rng.choice((rng.randint(2, 30), rng.randint(30, 999))))
        )

    def year(self) -> str:
        return str(self.rng.randint(1950, 2035))

    def month(self) -> str:
        return self.rng.choice(_MONTHS)

    def remark(self) -> str:
        """Now and then a relative clause after a subject, which states nothing."""
        return f" {self.closed('relative')}" if self.chance(REMARK_SHARE) else ""

    def _determined(self, determiner: str, name: EntityName) -> str:
        if determiner == "each of the":
            return f"each of the {name.plural}"
        words = f"{self.adjective()}{name.singular}"
        return f"{article(words) if determiner == 'a' else determiner} {words}"


def relation(from_: str, cardinality: Cardinality, to: str) -> Relation:
    return Relation(from_, cardinality, to)


def attribute_facts(entity: str, attributes: list[Attribute]) -> list[Fact]:
    """The fact of the attributes and, where some are keys, the fact of those."""
    facts: list[Fact] = [Attributes(entity, {a.name: a.type for a in attributes})]
    keys = {a.name: a.key for a in attributes if a.key}
    return [*facts, Keys(entity, keys)] if keys else facts


def entity_fact(*names: str) -> Entities:
    return Entities(tuple(dict.fromkeys(names)))
