"""The verb of a relationship, taken from its clause: the model is not asked for it, the words are there."""

from hone_contracts.erd_facts import STOP_WORDS, is_word

_MAX_WORDS = 2  # "is assigned to" gives "assigned to"; three words and more are no verb any more
_PREPOSITIONS = frozenset({"by", "to", "in", "for", "of", "on", "at", "from", "with"})
_FILLERS = frozenset(
    {"optional", "optionally", "single", "zero", "usually", "maximum", "minimum", "number", "at", "least"}
)


def label_between(text: str, from_: str, to: str) -> str:
    """The words that carry meaning between the two names in normalised text, "" where they are not a verb
    or where `to` stands before `from_`: a label reads from left to right."""
    words = text.split()
    begin, end = _find(words, from_.split(), 0), -1
    if begin >= 0:
        begin += len(from_.split())
        end = _find(words, to.split(), begin)
    between = words[begin:end] if 0 <= begin <= end else []
    if not all(is_word(word) for word in between):
        return ""
    telling = [word for word in between if word not in STOP_WORDS and word not in _FILLERS and word.isalpha()]
    if not telling:
        return ""
    verb = telling if len(telling) <= _MAX_WORDS else telling[:1]
    after = between[between.index(verb[-1]) + 1 :][:1]
    return " ".join([*verb, *(word for word in after if word in _PREPOSITIONS)])


def _find(words: list[str], name: list[str], start: int) -> int:
    for index in range(start, len(words) - len(name) + 1):
        if words[index : index + len(name)] == name:
            return index
    return -1
