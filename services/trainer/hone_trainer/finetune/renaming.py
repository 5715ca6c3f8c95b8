"""Pairs told again of other things: "loans roll up to members" is as true of barrels and vintages.

Fifty texts hold a convention some forty times and a few dozen nouns, and a small network learns the nouns by heart
sooner than the convention. The starter was taught to copy names by changing them all the time; so are the pool's
pairs. Names of entities are changed, consistently in subject, passage and answer. Names of attributes stay: what they
are called decides types and keys. So do words that are in no fact, such as the roles of a system's users.
"""

import re
from dataclasses import dataclass
from random import Random

from hone_contracts import erd_facts
from hone_contracts.erd_facts import Attributes, Entities, Fact, Facts, FactsError, Keys, Relation
from hone_trainer.finetune.pairs import Pair
from hone_trainer.starter.inflection import article, plural
from hone_trainer.starter.lexicon import Lexicon
from hone_trainer.starter.names import NameSampler


@dataclass(frozen=True, slots=True)
class Renamer:
    """Draws new names from the starter's own corpus."""

    names: NameSampler
    rng: Random

    @classmethod
    def of(cls, corpus_seed: int, seed: str) -> "Renamer":
        rng = Random(seed)  # noqa: S311 - a corpus, not a secret
        return cls(NameSampler(Lexicon(corpus_seed), rng, held=False), rng)

    def renamed(self, pair: Pair) -> Pair:
        """The pair with other entities, or as it is where its answer is no facts or names none."""
        try:
            facts = erd_facts.loads(pair.assistant)
            change = _Change(self._new_names(facts))
            changed = tuple(change.fact(fact) for fact in facts)
        except FactsError:
            return pair  # a name of four words may have become one of five, which is none
        if not changed:
            return pair
        return pair.model_copy(update={"user": change.text(pair.user), "assistant": erd_facts.dumps(changed)})

    def _new_names(self, facts: Facts) -> dict[str, str]:
        """New words for the singular and the plural of each entity."""
        singulars = dict.fromkeys(_singular(name) for fact in facts for name in _entities_of(fact))
        new = self.names.entities(len(singulars))
        words: dict[str, str] = {}
        for old, name in zip(singulars, new, strict=True):
            words |= {plural(old): name.plural, old: name.singular}
        return words


class _Change:
    """Words for words: whole ones, the longest name first."""

    def __init__(self, words: dict[str, str]) -> None:
        self._words = words
        names = "|".join(re.escape(old) for old in sorted(words, key=len, reverse=True)) or "(?!)"
        self._pattern = re.compile(rf"(?:\b(an?) )?(?<![\w'-])({names})(?![\w'-])")

    def text(self, text: str) -> str:
        return self._pattern.sub(self._new, text)

    def fact(self, fact: Fact) -> Fact:
        match fact:
            case Entities(names):
                return Entities(tuple(self.text(name) for name in names))
            case Attributes(entity, types):
                return Attributes(self.text(entity), {self.text(name): kind for name, kind in types.items()})
            case Keys(entity, keys):
                return Keys(self.text(entity), {self.text(name): key for name, key in keys.items()})
            case Relation(from_, cardinality, to):
                return Relation(self.text(from_), cardinality, self.text(to))

    def _new(self, match: re.Match[str]) -> str:
        word = self._words[match[2]]
        return f"{article(word)} {word}" if match[1] else word


def _entities_of(fact: Fact) -> tuple[str, ...]:
    match fact:
        case Entities(names):
            return names
        case Attributes(entity) | Keys(entity):
            return (entity,)
        case Relation(from_, _, to):
            return (from_, to)


def _singular(name: str) -> str:
    """The name whose plural this is, or the name itself where it is none."""
    for ending, stem in (("ies", "y"), ("es", ""), ("s", "")):
        candidate = name.removesuffix(ending) + stem
        if name.endswith(ending) and plural(candidate) == name:
            return candidate
    return name
