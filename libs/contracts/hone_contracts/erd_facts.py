"""Facts about a data model, as the starter model writes them and the generator reads them.

One passage (a sentence or a list item) of a requirements text answers with a JSON list of facts in the
order of the text, `[]` where there are none:

    [{"e":["member","loan"]},{"a":"member","l":{"email":"string"}},
     {"k":"member","l":{"email":"UK"}},{"r":["member","1:N","loans"]}]

The trainer's corpus, the tokenizer, the grammar that holds the model and the code that merges the facts
must agree on words and names to the letter, so all of it is defined here once.
"""

import json
import re
import unicodedata
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal, TypeAlias, get_args

from hone_contracts.normal_form import normal_form

AttributeType = Literal[
    "string",
    "text",
    "int",
    "float",
    "decimal",
    "boolean",
    "date",
    "datetime",
    "uuid",
    "enum",
    "json",
    "binary",
]
Cardinality = Literal["1:1", "1:N", "N:1", "N:M"]
Key = Literal["PK", "UK"]

ATTRIBUTE_TYPES: tuple[AttributeType, ...] = get_args(AttributeType)
CARDINALITIES: tuple[Cardinality, ...] = get_args(Cardinality)
KEYS: tuple[Key, ...] = get_args(Key)

MAX_NAME_WORDS = 4
# A word longer than this is a URL, a hash or an attack, never a name.
MAX_NAME_WORD_CHARS = 48

# Function words that begin or end no name. Verbs are not here: many of them are names too (order, visit).
# Left out on purpose, since they are names or parts of them: like, first, last, second, current, due.
STOP_WORDS = frozenset(
    """
    a about above across after again against all along alone already also although always am among an and
    another any anyone anything are around as at away back be because been before being below beneath beside
    besides between beyond both but by can cannot certain could despite did different do does doing done
    down during each eight either else enough etc even ever every everyone everything e.g exactly few five
    following for four from further given had has have having he hence her here hers him his how however i
    i.e if in including inside instead into is it its itself just least less many may me might mine more
    most much multiple must my namely neither never next nine no nobody none nor not nothing numerous of off
    often on once one only onto or other others otherwise our ours out outside over own per perhaps possibly
    quite rather same seven several shall she should since six so some someone something sometimes such ten
    than that the their theirs them themselves then there therefore these they this those though three
    through throughout thus to together too toward towards two under unless until up upon us usually various
    very via was we well were what whatever when whenever where whereas whether which whichever while who
    whoever whom whose why will with within without would yes yet you your yours zero
    """.split()  # noqa: SIM905 - a list of 200 quoted words is not readable
)

# The function words that do stand inside names: date of birth, time to live, cost per unit, check in date. Any
# other one parts two names: "member has a date" and "name and email" are none.
JOINING_WORDS = frozenset("of for to in per up out off down no".split())  # noqa: SIM905 - as above


class FactsError(ValueError):
    """The text or the value is not a list of facts; `reason` says which part is not and why."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


@dataclass(frozen=True, slots=True)
class Entities:
    """Entities that the passage names, in the order of the text."""

    names: tuple[str, ...]

    def __post_init__(self) -> None:
        if not self.names:
            raise FactsError("a fact about entities names none")
        _check_names(self.names)


@dataclass(frozen=True, slots=True)
class Attributes:
    """Attributes of one entity, name to type."""

    entity: str
    types: Mapping[str, AttributeType]

    def __post_init__(self) -> None:
        _check_members(self.entity, self.types, ATTRIBUTE_TYPES)


@dataclass(frozen=True, slots=True)
class Keys:
    """Attributes by which one of `entity` is told from the others: PK ("identified by") or UK ("unique")."""

    entity: str
    keys: Mapping[str, Key]

    def __post_init__(self) -> None:
        _check_members(self.entity, self.keys, KEYS)


@dataclass(frozen=True, slots=True)
class Relation:
    """A clause that relates two entities. The cardinality is that of the clause alone:
    "each member has many loans" is 1:N whatever the next sentence says about loans."""

    from_: str
    cardinality: Cardinality
    to: str

    def __post_init__(self) -> None:
        _check_names((self.from_, self.to))
        if self.cardinality not in CARDINALITIES:
            raise FactsError(f"cardinality {self.cardinality!r} is none of {', '.join(CARDINALITIES)}")


Fact: TypeAlias = Entities | Attributes | Keys | Relation
Facts: TypeAlias = tuple[Fact, ...]


def first_entity(fact: Fact) -> str:
    """The entity that it names first: what "it" and "they" mean in the passage after it."""
    match fact:
        case Entities(names):
            return names[0]
        case Attributes(entity) | Keys(entity):
            return entity
        case Relation(from_):
            return from_


def dumps(facts: Iterable[Fact]) -> str:
    """The facts as the model writes them: JSON without a space, not escaped to ASCII."""
    return json.dumps([_to_json(fact) for fact in facts], ensure_ascii=False, separators=(",", ":"))


def loads(text: str) -> Facts:
    """Read an answer. Raises FactsError for anything but a list of well-formed facts: text around it, an
    unknown key, type or cardinality, a name that is none (see `is_name`)."""
    try:
        parsed = json.loads(text, object_pairs_hook=_object)
    except RecursionError as error:
        raise FactsError("the answer is nested too deeply") from error
    except ValueError as error:
        if isinstance(error, FactsError):
            raise
        raise FactsError(f"the answer is not JSON: {error}") from error
    if not isinstance(parsed, list):
        raise FactsError("the answer is not a list of facts")
    return tuple(_from_json(item) for item in parsed)


def passage_prompt(subject: str, passage: str) -> str:
    """What the model is asked: the subject carried over (may be empty), a newline, the passage.
    Both must be normalised already."""
    return f"{subject}\n{passage}"


def normalise(text: str) -> str:
    """The words of `text` as the starter model sees them: one line, lower case, every punctuation mark a
    word of its own, `'s` apart, one space between words. Applying it twice changes nothing.

    Words keep inner hyphens, underscores and apostrophes (e-mail, first_name, o'brien) and inner dots in
    numbers, versions and abbreviations (3.5, e.g). Since no two punctuation marks touch, no text can spell
    a chat template's control token or a JSON piece of the tokenizer.
    """
    if text.isascii():  # nothing of what follows would change it
        return " ".join(_word_pattern("").findall(text.lower()))
    # Lower-casing can undo the composition (İ), and composing again can yield capitals (ϓ): until stable.
    folded = normal_form("NFKC", text.translate(_PLAIN)).translate(_PLAIN).lower()
    folded = normal_form("NFKC", folded).lower()
    cleaned = "".join(_visible(char) for char in folded) if not folded.isascii() else folded
    marks = "".join(sorted({char for char in cleaned if not char.isascii() and _is_mark(char)}))
    return " ".join(_word_pattern(marks).findall(cleaned))


def is_name(text: str) -> bool:
    """Whether `text` may name an entity or an attribute: 1 to 4 normalised words, none of them
    punctuation, not beginning or ending in a stop word, not beginning in a number; see JOINING_WORDS."""
    words = text.split(" ")
    if not 1 <= len(words) <= MAX_NAME_WORDS or normalise(text) != text:
        return False
    return may_begin(words[0]) and may_end(words[-1]) and all(map(may_stand_inside, words))


def may_stand_inside(word: str) -> bool:
    """Whether a normalised word may stand within a name."""
    return is_word(word) and (word not in STOP_WORDS or word in JOINING_WORDS)


def is_word(word: str) -> bool:
    """Whether a normalised word is one, and no punctuation, no `'s`, no endless string."""
    return len(word) <= MAX_NAME_WORD_CHARS and word[:1].isalnum() and word[-1:] != "'"


def may_begin(word: str) -> bool:
    """Whether a name may begin with this normalised word; a bare number would be a quantity."""
    return is_word(word) and word not in STOP_WORDS and any(char.isalpha() for char in word)


def may_end(word: str) -> bool:
    """Whether a name may end with this normalised word; "address line 2" does end in a number."""
    return is_word(word) and word not in STOP_WORDS


_PLAIN = str.maketrans(
    {
        **dict.fromkeys("\u2018\u2019\u02bc", "'"),
        **dict.fromkeys("\u201c\u201d", '"'),
        **dict.fromkeys("\u2010\u2011", "-"),
        **dict.fromkeys("\u2013\u2014", " - "),
        "\u00ad": "",
    }
)


def _visible(char: str) -> str:
    """Controls, surrogates and unassigned code points part words; format characters (zero width,
    direction marks) vanish, since two words that look the same must be the same."""
    category = unicodedata.category(char)
    if category == "Cf":
        return ""
    return " " if category[0] in "CZ" else char


def _is_mark(char: str) -> bool:
    return unicodedata.category(char)[0] == "M"


@lru_cache(maxsize=256)
def _word_pattern(marks: str) -> re.Pattern[str]:
    """Words of a text that uses these combining marks: `\\w` does not match them, but they part no word."""
    char = rf"[\w{re.escape(marks)}]"
    apostrophe = rf"'(?!s(?!{char}))"
    dot = r"(?<=\d)[.,:/](?=\d)|(?<=\b\w)\.(?=\w\b)"
    return re.compile(rf"'s(?!{char})|{char}+(?:(?:-|{apostrophe}|{dot}){char}+)*|[^\s\x00-\x1f\x7f]")


def _check_names(names: Iterable[str]) -> None:
    for name in names:
        if not isinstance(name, str) or not is_name(name):
            raise FactsError(f"{str(name)[:80]!r} is no name of 1 to {MAX_NAME_WORDS} normalised words")


def _check_members(entity: str, members: Mapping[str, str], allowed: tuple[str, ...]) -> None:
    if not isinstance(members, Mapping) or not members:
        raise FactsError(f"a fact about {str(entity)[:80]!r} lists no attribute")
    _check_names((entity, *members))
    for name, value in members.items():
        if value not in allowed:
            raise FactsError(f"{name!r} is {str(value)[:80]!r}, which is none of {', '.join(allowed)}")


def _object(pairs: list[tuple[str, object]]) -> dict[str, object]:
    """A grammar cannot forbid a repeated name, and a fact said again adds nothing: the first one counts."""
    result: dict[str, object] = {}
    for key, value in pairs:
        result.setdefault(key, value)
    return result


def _to_json(fact: Fact) -> dict[str, object]:
    match fact:
        case Entities(names):
            return {"e": list(names)}
        case Attributes(entity, types):
            return {"a": entity, "l": dict(types)}
        case Keys(entity, keys):
            return {"k": entity, "l": dict(keys)}
        case Relation(from_, cardinality, to):
            return {"r": [from_, cardinality, to]}


def _from_json(item: object) -> Fact:
    match item:
        case {"e": list(names), **rest} if not rest:
            return Entities(tuple(names))
        case {"a": entity, "l": dict(types), **rest} if not rest:
            return Attributes(entity, types)
        case {"k": entity, "l": dict(keys), **rest} if not rest:
            return Keys(entity, keys)
        case {"r": [from_, cardinality, to], **rest} if not rest:
            return Relation(from_, cardinality, to)
        case _:
            raise FactsError(f"{str(item)[:80]} is no fact: expected the keys e, a and l, k and l, or r")
