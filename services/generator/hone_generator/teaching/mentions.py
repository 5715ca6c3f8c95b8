"""Where the names of a diagram stand in a passage and in the subject that is carried into it."""

from collections.abc import Collection
from dataclasses import dataclass, field
from itertools import pairwise

from hone_contracts.erd_facts import MAX_NAME_WORDS, may_begin, may_end, may_stand_inside
from hone_generator.artifacts.mermaid_erd.grounding import name_spans
from hone_generator.text.naming import identity, singular

_MANY = frozenset(
    """
    many several multiple various different numerous some few dozens hundreds thousands lots number all more any both
    two three four five six seven eight nine ten eleven twelve
    """.split()  # noqa: SIM905 - a list of quoted words is not readable
)
_ONE = frozenset("a an one single each every only just exactly".split())  # noqa: SIM905 - as above
_PREPOSITIONS = frozenset({"for", "of", "in", "on", "to", "with", "from", "by", "per", "at"})
_JOINING = frozenset(
    {",", "and", "or", "&", "/", "both", "also", "either", "as", "well", "a", "an", "the", "our"}
)
_BREAKS = frozenset({";", ".", "!", "?", "but", "while", "whereas", "although", "though", "so", "because"})
# What begins a clause after "and"; where there is no comma, an article begins one more object as often.
_SUBJECTS = frozenset({"each", "every", "it", "they", "these", "this", "no"})
_OPENS = _SUBJECTS | {"a", "an", "the", "any", "one", "many", "several", "all", "both", "some"}
_PRONOUNS = frozenset(
    {"it", "they", "this", "these", "he", "she", "its", "their", "them", "him", "her", "his"}
)
_RELATIVES = frozenset({"which", "who", "whom", "that", "whose"})
# "Each has a name" speaks of the subject, "each pet has a name" does not.
_AFTER_EACH = frozenset(
    {"of", "one", "has", "is", "can", "may", "must", "belongs", "needs", "should", "will"}
)
_AUXILIARIES = frozenset({"are", "were", "have", "can", "may", "must", "should", "shall", "will", "do"})
_ENDINGS = ("ed", "ing", "en")  # of participles: "each book written by an author"
_MOST_MENTIONS = 6  # of one name in one passage; hostile ones repeat a word sixty times


@dataclass(frozen=True, slots=True)
class Mention:
    """The words `begin` to `end` of a line name something; `covered` where they are part of a longer name that is
    wanted too, `compound` where they seem to be part of the name of something else."""

    surface: str
    begin: int
    end: int
    covered: bool = False
    compound: bool = False

    @property
    def is_doubtful(self) -> bool:
        return self.covered or self.compound

    @property
    def plural(self) -> bool:
        last = self.surface.rpartition(" ")[2]
        return singular(last) != last


@dataclass(frozen=True, slots=True)
class Line:
    """A normalised passage, with mentions by identity; `carried` are those of the subject line."""

    words: tuple[str, ...]
    mentions: dict[str, list[Mention]]
    carried: dict[str, str]
    segments: tuple[int, ...] = field(default=())

    def entities_between(self, begin: int, end: int, entities: Collection[str]) -> list[Mention]:
        """Mentions of entities, no part of a longer name, that lie between two places."""
        return [
            mention
            for name, mentions in self.mentions.items()
            if name in entities
            for mention in mentions
            if not mention.covered and begin <= mention.begin and mention.end <= end
        ]

    def is_list(self, begin: int, end: int) -> bool:
        """Whether nothing but commas, "and" and articles lies between two places."""
        return all(word in _JOINING for word in self.words[begin:end])

    def is_many(self, mention: Mention) -> bool:
        """Whether the clause speaks of several: a plural, or a word for many before it."""
        before = self.words[max(mention.begin - 3, 0) : mention.begin]
        if before and before[-1] in _ONE:
            return False
        return mention.plural or any(word in _MANY or (word.isdigit() and word != "1") for word in before)

    def is_each_of(self, mention: Mention) -> bool:
        """ "Each of the members" is one."""
        before = self.words[max(mention.begin - 4, 0) : mention.begin]
        return "of" in before and any(word in {"each", "every", "one"} for word in before)

    @property
    def begins_with_pronoun(self) -> bool:
        return any(
            word in _PRONOUNS or (word == "each" and following in _AFTER_EACH)
            for word, following in pairwise(self.words[:5])
        )

    def refers_back(self, begin: int, end: int) -> bool:
        """Whether a pronoun between two places may stand for what was named before them."""
        return any(word in _PRONOUNS or word in _RELATIVES for word in self.words[begin:end])

    def last_mention_before(self, place: int) -> tuple[str, Mention] | None:
        return max(
            ((name, each) for name, all_ in self.mentions.items() for each in all_ if each.end <= place),
            key=lambda found: found[1].end,
            default=None,
        )

    def is_bare(self, begin: int, end: int) -> bool:
        """Whether no verb can stand between two places: nothing but joining words and prepositions does."""
        return all(word in _JOINING or word in _PREPOSITIONS for word in self.words[begin:end])


def line_of(subject: str, passage: str, wanted: Collection[str], entities: Collection[str]) -> Line:
    """The places of the wanted identities in a passage; only names that an answer may use count. ``entities`` are
    those of them that stand for things."""
    allowed = frozenset(name_spans(subject, passage))
    words = tuple(passage.split())
    found = [
        (name, begin, end, surface)
        for begin, end, surface in _spans(words)
        if surface in allowed and (name := identity(surface)) in wanted
    ]
    mentions: dict[str, list[Mention]] = {}
    for name, begin, end, surface in found:
        covered = any(b <= begin and end <= e and e - b > end - begin for _, b, e, _ in found)
        compound = name in entities and _begins_compound(words, begin, end)
        same = mentions.setdefault(name, [])
        if len(same) < _MOST_MENTIONS:
            same.append(Mention(surface, begin, end, covered, compound))
    carried: dict[str, str] = {}
    for _, _, surface in sorted(_spans(tuple(subject.split())), key=lambda span: span[0] - span[1]):
        if surface in allowed and (name := identity(surface)) in wanted:
            carried.setdefault(name, surface)
    return Line(words, mentions, carried, _segments(words))


def _spans(words: tuple[str, ...]) -> list[tuple[int, int, str]]:
    spans: list[tuple[int, int, str]] = []
    for begin in range(len(words)):
        for end in range(begin + 1, min(begin + MAX_NAME_WORDS, len(words)) + 1):
            if not may_stand_inside(words[end - 1]):
                break
            if may_begin(words[begin]) and may_end(words[end - 1]):
                spans.append((begin, end, " ".join(words[begin:end])))
    return spans


def _begins_compound(words: tuple[str, ...], begin: int, end: int) -> bool:
    """Whether a longer name goes on behind a singular: "the concert bureau", "trail crews enter huts". What ends in s
    there may be the verb ("the order contains items"), unless nothing tells which one of them is meant and a verb
    follows."""
    last, following = words[end - 1], words[end] if end < len(words) else "."
    if singular(last) != last or not may_end(following):
        return False
    if following.endswith(_ENDINGS):
        return False
    if not following.endswith("s") or following.endswith("ss"):
        return True
    after = words[end + 1] if end + 1 < len(words) else "."
    told = begin > 0 and (words[begin - 1].isalnum() and words[begin - 1] != "and")
    return not told and (after in _AUXILIARIES or (may_end(after) and singular(after) == after))


def _segments(words: tuple[str, ...]) -> tuple[int, ...]:
    """Of each word the number of its clause, as far as marks and conjunctions show it."""
    numbers: list[int] = []
    number = 0
    for place, word in enumerate(words):
        following = words[place + 1] if place + 1 < len(words) else ""
        before = words[place - 1] if place else ""
        joins = word == "and" and (following in _OPENS if before == "," else following in _SUBJECTS)
        if joins or word in _BREAKS:
            number += 1
        numbers.append(number)
    return tuple(numbers)
