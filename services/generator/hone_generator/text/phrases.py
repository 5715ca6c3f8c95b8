"""Which words of a sentence are nouns, as far as the words around them show it. No dictionary, no model: what follows
an article, a number, a possessive, a preposition or stands in a list is one, up to the next function word."""

from collections.abc import Sequence

from hone_contracts.erd_facts import STOP_WORDS, is_word
from hone_generator.text.naming import singular

_LONGEST_PHRASE = 4
_OF_ONE = frozenset("a an each every one another this that".split())  # noqa: SIM905 - reads better than quoted words
_OPENS = _OF_ONE | frozenset(
    """
    the its their his her our no any some many several multiple both all two three four five six seven eight nine ten
    has have having of with by for in on at to from per between into or and plus including includes contains holds
    """.split()  # noqa: SIM905 - as above
)
_MARKS = frozenset(",:(/;")


def nouns(words: Sequence[str]) -> frozenset[int]:
    """The places of nouns and of what stands before them (due date, 12 beds) in normalised words."""
    found: set[int] = set()
    place = 0
    while place < len(words):
        word = words[place]
        if word in _OPENS or word in _MARKS or word.isdigit():
            end = _end_of_phrase(words, place + 1, single=word in _OF_ONE)
            found.update(range(place + 1, end))
            place = max(end, place + 1)
        else:
            place += 1
    return frozenset(found)


def _end_of_phrase(words: Sequence[str], begin: int, *, single: bool) -> int:
    """Behind the last word of the phrase. After "a", a word that looks like a plural is the verb: a ward employs."""
    end = min(begin + _LONGEST_PHRASE, len(words))
    for place in range(begin, end):
        word = words[place]
        if word in STOP_WORDS or not is_word(word) or (single and place > begin and singular(word) != word):
            return place
    return end
