"""The words and phrasings the corpus is made of, and which of them training never sees.

A phrasing (a line of a phrase file), a kind of empty sentence (a section of empty.txt) or a word is held out
when its hash with the seed says so: no list of exceptions, the same for everyone who has the seed.
"""

import re
from collections import Counter
from dataclasses import dataclass
from functools import cached_property, lru_cache
from hashlib import blake2b
from pathlib import Path

from hone_contracts.erd_facts import ATTRIBUTE_TYPES, AttributeType, is_name
from hone_trainer.starter.errors import PhraseError

PHRASES = Path(__file__).parent / "phrases"
HELD_WORDS_PERCENT = 10
HELD_PHRASINGS_PERCENT = 8
HELD_KINDS_PERCENT = 12

_SECTION = re.compile(r"\[([\w -]+)\]")


def held_out(seed: int, item: str, percent: int) -> bool:
    """Whether `item` is kept from training under this seed."""
    digest = blake2b(f"{seed}:{item}".encode(), digest_size=8).digest()
    return int.from_bytes(digest, "big") % 100 < percent


@lru_cache(maxsize=200_000)
def held_word(seed: int, word: str) -> bool:
    """Whether this word, made up or real, is kept out of the names of the training set."""
    return held_out(seed, f"word:{word}", HELD_WORDS_PERCENT)


def read_sections(file: str) -> dict[str, list[str]]:
    """Lines of a phrase file by section, comments left out."""
    sections: dict[str, list[str]] = {}
    current = sections.setdefault("", [])
    for line in (PHRASES / file).read_text(encoding="utf-8").splitlines():
        stripped = line.strip()
        if not stripped or stripped.startswith("#"):
            continue
        header = _SECTION.fullmatch(stripped)
        if header:
            current = sections.setdefault(header[1], [])
        else:
            current.append(stripped)
    return {name: lines for name, lines in sections.items() if lines}


@dataclass(frozen=True)
class Split:
    """One pool's two halves: what training sees and what it never sees."""

    seen: tuple[str, ...]
    held: tuple[str, ...]

    def lines(self, held: bool) -> tuple[str, ...]:
        return self.held if held else self.seen


@dataclass(frozen=True)
class Lexicon:
    """All phrase files under one seed."""

    seed: int

    @cached_property
    def entities(self) -> Split:
        return self._names("entities.txt")

    @cached_property
    def common_entities(self) -> Split:
        return self._names("entities.txt", "common")

    @cached_property
    def words(self) -> Split:
        return self._names("words.txt")

    @cached_property
    def attributes(self) -> dict[str, AttributeType]:
        """Attribute name to type; a name listed under two types keeps the first."""
        types: dict[str, AttributeType] = {}
        for line in read_sections("attributes.txt")[""]:
            kind, _, names = line.partition(":")
            known = next((t for t in ATTRIBUTE_TYPES if t == kind), None)
            if known is None:
                raise PhraseError("attributes.txt", f"{kind!r} is no attribute type")
            for name in _commas(names):
                types.setdefault(name, known)
        return types

    @cached_property
    def attribute_names(self) -> Split:
        """Single words are always seen: nobody can read requirements without "name" and "price". So are names
        that the file lists twice."""
        listed = Counter(
            n for line in read_sections("attributes.txt")[""] for n in _commas(line.partition(":")[2])
        )
        rare = [n for n in self.attributes if " " in n and listed[n] == 1]
        held = [n for n in rare if self._held(f"attribute:{n}", HELD_PHRASINGS_PERCENT)]
        return Split(tuple(n for n in self.attributes if n not in set(held)), tuple(held))

    @cached_property
    def attribute_heads(self) -> tuple[str, ...]:
        """Last words of attributes that are attributes by themselves ("date" of "due date"), as often as they
        are: their type is that of the whole."""
        lasts = (name.rpartition(" ")[2] for name in self.attributes if " " in name)
        return tuple(last for last in lasts if last in self.attributes)

    @cached_property
    def plain_entities(self) -> frozenset[str]:
        """Entities that nobody takes for an attribute: "each course has a teacher" relates two of them."""
        return frozenset(
            self.entities.seen + self.entities.held + self.common_entities.seen + self.common_entities.held
        ) - frozenset(self.attributes)

    @cached_property
    def closed(self) -> dict[str, tuple[str, ...]]:
        """Function words: determiners, modals, openers. `~` stands for nothing at all."""
        return {
            section: tuple("" if line == "~" else line for line in lines)
            for section, lines in read_sections("closed.txt").items()
        }

    @cached_property
    def verbs(self) -> dict[str, Split]:
        return self._phrasings("verbs.txt")

    @cached_property
    def relations(self) -> dict[str, Split]:
        return self._phrasings("relations.txt")

    @cached_property
    def attributes_of(self) -> dict[str, Split]:
        return self._phrasings("attributes_of.txt")

    @cached_property
    def mentions(self) -> dict[str, Split]:
        return self._phrasings("mentions.txt")

    @cached_property
    def empties(self) -> Split:
        """Sentences that state nothing; whole kinds are held out."""
        seen: list[str] = []
        held: list[str] = []
        for kind, lines in read_sections("empty.txt").items():
            (held if self._held(f"kind:{kind}", HELD_KINDS_PERCENT) else seen).extend(lines)
        return Split(tuple(seen), tuple(held))

    def held_kinds(self) -> list[str]:
        return [k for k in read_sections("empty.txt") if self._held(f"kind:{k}", HELD_KINDS_PERCENT)]

    def _held(self, item: str, percent: int) -> bool:
        return held_out(self.seed, item, percent)

    def _names(self, file: str, section: str = "") -> Split:
        names = list(
            dict.fromkeys(n for line in read_sections(file)[section] for n in _commas(line) if is_name(n))
        )
        held = [n for n in names if any(held_word(self.seed, word) for word in n.split())]
        return Split(tuple(n for n in names if n not in set(held)), tuple(held))

    def _phrasings(self, file: str) -> dict[str, Split]:
        return {section: self._split(file, lines) for section, lines in read_sections(file).items()}

    def _split(self, file: str, lines: list[str]) -> Split:
        """A section always keeps something on both sides, or it could be neither learned nor tested. A line that
        stands there more than once is a common phrasing: it keeps its weight and is never held out."""
        counts = Counter(lines)
        rare = [line for line, count in counts.items() if count == 1]
        held = {line for line in rare if self._held(f"{file}:{line}", HELD_PHRASINGS_PERCENT)} or {rare[-1]}
        return Split(
            tuple(line for line in lines if line not in held), tuple(line for line in rare if line in held)
        )


def _commas(text: str) -> list[str]:
    return [name.strip() for name in text.split(",") if name.strip()]
