"""Names of classes, members and types in a form that Mermaid and readers of code take."""

import re
import unicodedata
from collections.abc import Iterable

from hone_generator.artifacts.diagrams.labels import distinct, is_identifier, label

_MAX_TYPE_CHARS = 80
# A parenthesis makes an operation, a colon begins a type, an equals sign a default, a brace ends the class.
_IN_TYPES = {"{": "[", "}": "]", ":": "\u2236", "(": "[", ")": "]", "=": "\uff1d"}


def class_names(names: Iterable[str]) -> dict[str, str]:
    """How each class is called: library card → LibraryCard where the name is made of ASCII words, else as it is;
    distinct names distinct."""
    taken: set[str] = set()
    written: dict[str, str] = {}
    for name in dict.fromkeys(names):
        shown = label(name, {"{": "(", "}": ")"})
        joined = _pascal(shown)
        if is_identifier(joined):
            written[name] = distinct(joined, taken, "{}")
        else:
            written[name] = distinct(shown or "Unnamed", taken, " ({})")
    return written


def _pascal(text: str) -> str:
    if not text.isascii():
        return text
    words = re.split(r"[ _-]+", text) if not re.fullmatch(r"[A-Z]\w*", text) else [text]
    return "".join(word[:1].upper() + word[1:] for word in words)


def member_name(text: str, fallback: str) -> str:
    """One word: due date → dueDate. Letters of every script stay, what else there is becomes an underscore."""
    words = label(text).split(" ")
    joined = "".join([words[0], *(word[:1].upper() + word[1:] for word in words[1:])])
    kept = "".join(char if _is_word_char(char) else "_" for char in joined)
    kept = re.sub(r"_{2,}", "_", kept).rstrip("_") if kept != joined else kept
    return kept if any(char.isalnum() for char in kept) else fallback


def _is_word_char(char: str) -> bool:
    return char == "_" or unicodedata.category(char)[0] in "LMN"


def type_name(text: str) -> str:
    """A type as it is written in code, "" for none. A generic one keeps its angle brackets where they can be read
    back from Mermaid's tildes, which are the same on both sides."""
    written = " ".join(text[: _MAX_TYPE_CHARS * 8].split())
    parts = re.split(r"([<>])", written)
    joined = "".join(part if part in "<>" else label(part, _IN_TYPES) for part in parts)
    if not (len(joined) <= _MAX_TYPE_CHARS and _is_generic(joined)):
        joined = label(written, {**_IN_TYPES, ",": "\uff0c"}, _MAX_TYPE_CHARS)
    return joined.rstrip("$* ")  # which would make the member static or abstract


def _is_generic(type_: str) -> bool:
    depth = 0
    for place, char in enumerate(type_):
        following = type_[place + 1 : place + 2]
        opens = following.isalnum() or following == "_"
        depth += (char == "<") - (char == ">")
        if depth < 0 or (char == "<" and not opens) or (char == ">" and opens) or (char == "," and not depth):
            return False
    return depth == 0 and "<" in type_


def with_tildes(type_: str) -> str:
    """List<Book> as Mermaid writes it: List~Book~."""
    return type_.replace("<", "~").replace(">", "~")


def with_brackets(type_: str) -> str:
    """List~Book~ as the rest of the world writes it; List~Map~K, V~~ too."""
    found: list[str] = []
    depth = 0
    for place, char in enumerate(type_):
        following = type_[place + 1 : place + 2]
        if char != "~":
            found.append(char)
        elif depth and not (following.isalnum() or following == "_"):
            depth -= 1
            found.append(">")
        else:
            depth += 1
            found.append("<")
    return "".join(found)
