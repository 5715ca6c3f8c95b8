"""Just enough English morphology to write grammatical sentences about any name."""

_PLURALS = {
    "child": "children", "person": "people", "man": "men", "woman": "women", "foot": "feet", "tooth": "teeth",
    "mouse": "mice", "goose": "geese", "leaf": "leaves", "shelf": "shelves", "wolf": "wolves", "knife": "knives",
    "life": "lives", "loaf": "loaves", "criterion": "criteria", "alumnus": "alumni", "curriculum": "curricula",
    "thesis": "theses", "diagnosis": "diagnoses", "staff": "staff", "sheep": "sheep", "species": "species",
    "series": "series", "aircraft": "aircraft", "deer": "deer", "quiz": "quizzes", "crew": "crews",
}  # fmt: skip
_THIRD = {"have": "has", "be": "is", "do": "does", "go": "goes"}
_ARE = {"is": "are", "has": "have", "needs": "need", "wants": "want"}


def plural(name: str) -> str:
    """The plural of a name: that of its last word."""
    head, _, last = name.rpartition(" ")
    return f"{head} {_plural_word(last)}" if head else _plural_word(last)


def third_person(verb_phrase: str) -> str:
    """ "take part in" → "takes part in"."""
    first, space, rest = verb_phrase.partition(" ")
    return _THIRD.get(first, _add_s(first)) + space + rest


def plain_plural(verb_phrase: str) -> str:
    """ "be part of" → "are part of"; other verbs stay as they are."""
    return "are" + verb_phrase[2:] if verb_phrase.split(" ", 1)[0] == "be" else verb_phrase


def modal_for_plural(modal: str) -> str:
    """ "is able to" → "are able to"."""
    first, space, rest = modal.partition(" ")
    return _ARE.get(first, first) + space + rest


def article(name: str) -> str:
    """ "a" or "an", by the letter alone; "an hour" and "a user" are the exceptions that matter."""
    if name.startswith(("hour", "honour", "heir")):
        return "an"
    if name.startswith(("uni", "use", "usa", "eu", "uu", "one")):
        return "a"
    return "an" if name[:1] in "aeiou" else "a"


def _plural_word(word: str) -> str:
    return _PLURALS.get(word) or _add_s(word)


def _add_s(word: str) -> str:
    if word.endswith(("s", "x", "z", "ch", "sh")) or word in {"do", "go", "echo", "hero", "potato", "tomato"}:
        return word + "es"
    if word.endswith("y") and word[-2:-1] not in tuple("aeiou"):
        return word[:-1] + "ies"
    return word + "s"
