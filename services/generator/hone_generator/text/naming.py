"""When two names mean the same thing, and how names are written in a diagram.

Singular forms are made by rules here: `inflect` turns bus, lens, status-like singulars and canvas into plurals'
stems ("len", "canva"; it must be told which words are plural) and takes 0.5 s to import; `inflection` fails on
cookies, caches and viruses. Both were tried on 100 words of data models.
"""

import re
import unicodedata
from collections.abc import Callable
from functools import lru_cache

from hone_contracts.normal_form import normal_form

_IRREGULAR = {
    "people": "person", "children": "child", "men": "man", "women": "woman", "mice": "mouse", "geese": "goose",
    "feet": "foot", "teeth": "tooth", "criteria": "criterion", "phenomena": "phenomenon", "indices": "index",
    "matrices": "matrix", "vertices": "vertex", "appendices": "appendix", "knives": "knife", "shelves": "shelf",
    "wives": "wife", "lives": "life", "leaves": "leave", "halves": "half", "loaves": "loaf", "wolves": "wolf",
    "thieves": "thief", "calves": "calf", "movies": "movie", "cookies": "cookie", "calories": "calorie",
    "zombies": "zombie", "selfies": "selfie", "pies": "pie", "ties": "tie", "dies": "die", "heroes": "hero",
    "shoes": "shoe", "toes": "toe", "buses": "bus", "gases": "gas", "lenses": "lens", "quizzes": "quiz",
    "axes": "axis", "crises": "crisis", "theses": "thesis", "diagnoses": "diagnosis", "analyses": "analysis",
    "hypotheses": "hypothesis", "prognoses": "prognosis", "syntheses": "synthesis", "oases": "oasis",
    "parentheses": "parenthesis", "emphases": "emphasis", "aliases": "alias", "atlases": "atlas",
    "canvases": "canvas", "biases": "bias", "irises": "iris", "waltzes": "waltz", "caches": "cache",
    "niches": "niche", "headaches": "headache", "avalanches": "avalanche", "creches": "creche",
    "axles": "axle", "taxes": "tax", "menus": "menu", "gurus": "guru", "emus": "emu", "tofus": "tofu",
}  # fmt: skip

_LONGEST_NAME = 80  # longer texts are not remembered

# The same in both numbers, or a singular that ends in s.
_UNCHANGED = frozenset(
    """
    series species news data media means premises headquarters chassis corps sms gps dns cms css aws ios https
    analytics logistics physics mathematics statistics economics electronics athletics ethics politics
    clothes goods glasses scissors trousers savings earnings proceeds alms
    gas bus lens alias bias atlas canvas iris pancreas christmas texas kansas plus minus yes this
    """.split()  # noqa: SIM905 - a list of quoted words is not readable
)
_ENDINGS = (
    (re.compile(r"([^aeiou])ies$"), r"\1y"),
    (re.compile(r"(x|ch|sh|ss|zz)es$"), r"\1"),
    (re.compile(r"(tus|pus|rus|nus|sus|mus|ius|cus|lus|gus)es$"), r"\1"),
    (re.compile(r"(tomato|potato|echo|veto|cargo|torpedo|embargo|buffalo|mosquito|volcano)es$"), r"\1"),
    (re.compile(r"([^su i])s$"), r"\1"),  # not class, status, basis
    (re.compile(r"((?<=[ae])|\b(?:bayo|caribo))us$"), r"\1u"),  # not previous, various
)


def free_number(is_taken: Callable[[int], bool]) -> int:
    """The number from 2 on that makes a name new: the first, where none behind it is taken. It is looked for in steps
    that double, since hostile answers give one name to thousands of things."""
    step = 1
    while is_taken(1 + step):
        step *= 2
    taken, free = step // 2, step  # as distances from 1
    while free - taken > 1:
        middle = (taken + free) // 2
        if is_taken(1 + middle):
            taken = middle
        else:
            free = middle
    return 1 + free


@lru_cache(maxsize=8192)
def singular(word: str) -> str:
    """The singular of a lower-case English noun; a word that is none already is left as it is."""
    if word in _IRREGULAR:
        return _IRREGULAR[word]
    if len(word) < 4 or word in _UNCHANGED:
        return word.removesuffix("s") if word in {"ids", "ads", "pcs", "tvs", "cvs"} else word
    if word.endswith("men") and len(word) > 5 and word not in {"specimen", "regimen", "abdomen", "acumen"}:
        return word[:-3] + "man"
    for ending, stem in _ENDINGS:
        changed, count = ending.subn(stem, word)
        if count:
            return changed
    return word.removesuffix("s") if re.search(r"(taxi|ski|alibi|wiki|kiwi|api|ui|emoji)s$", word) else word


def words_of(name: str) -> tuple[str, ...]:
    """The words of a name in any style: library card, library_card, library-card, LibraryCard."""
    return _words_of_name(name) if len(name) <= _LONGEST_NAME else _words_of(name)


@lru_cache(maxsize=16384)
def _words_of_name(name: str) -> tuple[str, ...]:
    return _words_of(name)


def _words_of(name: str) -> tuple[str, ...]:
    composed = normal_form("NFKC", name)
    spaced = "".join(
        char if char.isalnum() or unicodedata.category(char)[0] == "M" else " " for char in composed
    )
    found: list[str] = []
    for part in spaced.split():
        found.extend(_split_case(part))
    return tuple(word.lower() for word in found)


def _split_case(part: str) -> list[str]:
    """LibraryCard and HTTPServer have two words each; USER and iPhone12 have one and two."""
    if part.isupper() or part.islower() or not part.isascii():
        return [part]
    return re.findall(r"[A-Z]+(?=[A-Z][a-z])|[A-Z]?[a-z0-9]+|[A-Z0-9]+", part)


def identity(name: str) -> str:
    """Equal for names that mean the same: number, case, spaces, hyphens and underscores aside."""
    words = words_of(name)
    if not words:
        return name.strip().casefold()
    return "".join((*words[:-1], singular(words[-1])))


def entity_name(name: str) -> str:
    """library cards → LibraryCard; a name without letters or digits stays as it is."""
    words = words_of(name)
    return (
        "".join(word[:1].upper() + word[1:] for word in (*words[:-1], singular(words[-1]))) if words else name
    )


def attribute_name(name: str) -> str:
    """Date of Birth → date_of_birth; a plural stays one, since phone_numbers are several."""
    return "_".join(words_of(name)) or name
