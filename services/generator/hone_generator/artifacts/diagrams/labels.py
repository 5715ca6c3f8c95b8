"""Words that Mermaid's lexers take as nothing but words.

`"` ends a string, `#…;` is an entity code, `%%` begins a comment, `~` a generic type, `;` a statement, and
`.*direction\\s+(TB|BT|RL|LR)` swallows a whole line even inside quotes. Each is replaced by what looks like it, so
that people read what was meant. Identifiers are ASCII words that are no keyword of any diagram, in any case.
"""

import re
import unicodedata
from collections.abc import Iterable, Mapping

from hone_generator.text import naming

MAX_LABEL_CHARS = 120  # longer ones make a diagram that nobody can look at
_MAX_ID_CHARS = 60
_LONGEST_ID = _MAX_ID_CHARS + 10  # with the number that makes it distinct

_LOOKALIKES = {
    '"': "'",
    "`": "'",
    "\\": "\uff3c",
    "~": "\u223c",
    "#": "\uff03",
    ";": "\uff1b",
    "<": "\u2039",
    ">": "\u203a",
}
_DIRECTION = re.compile(r"(direction)\s+(?=TB|TD|BT|RL|LR)", re.IGNORECASE)
_ID = re.compile(r"[A-Za-z][A-Za-z0-9_]*")
_RESERVED = frozenset(
    """
    accdescr acctitle activate actor alt and as autonumber box break call callback choice class classdef
    classdiagram click create critical cssclass deactivate default destroy details direction else end erdiagram
    flowchart fork graph hide href interpolate join left link links linkstyle loop namespace note o of off opt
    option over par par_over participant properties rect right scale sequencediagram state statediagram style
    subgraph title u v x __proto__ constructor prototype tostring valueof hasownproperty
    """.split()  # noqa: SIM905 - a list of quoted words is not readable
)


def label(text: str, also: Mapping[str, str] | None = None, most: int = MAX_LABEL_CHARS) -> str:
    """One line of at most ``most`` characters that cannot leave its place; ``also`` replaces what else the place
    gives a meaning to. A label of a label is itself."""
    visible = "".join(" " if char.isspace() else char for char in text[: most * 8] if _is_shown(char))
    marks = {ord(mark): instead for mark, instead in {**_LOOKALIKES, **(also or {})}.items()}
    mapped = visible.translate(marks).replace("%%", "\uff05\uff05")
    line = _DIRECTION.sub(r"\1_", " ".join(mapped.split()))
    return line if len(line) <= most else line[: most - 1].rstrip() + "…"


def identifiers(names: Iterable[str], fallback: str, others: Iterable[str] = ()) -> dict[str, str]:
    """How each name is written as an identifier: distinct for distinct names and from the others, whatever the case;
    names that are identifiers already stay, where nobody before them took theirs."""
    written: dict[str, str] = {}
    taken = {other.casefold() for other in others}
    for name in dict.fromkeys(names):
        base = _identifier(name)
        if base:
            written[name] = distinct(base, taken, "_{}")
        else:
            written[name] = distinct(f"{fallback}1", taken, "", fallback)
    return written


def distinct(text: str, taken: set[str], pattern: str, stem: str | None = None) -> str:
    """``text``, or the first numbered form of it (or of ``stem``) that is new. Case does not tell names apart."""

    def numbered(number: int) -> str:
        return f"{stem}{number}" if stem is not None else text + pattern.format(number)

    candidate = text
    if candidate.casefold() in taken:
        candidate = numbered(naming.free_number(lambda number: numbered(number).casefold() in taken))
    taken.add(candidate.casefold())
    return candidate


def is_identifier(text: str) -> bool:
    return len(text) <= _LONGEST_ID and _ID.fullmatch(text) is not None and text.lower() not in _RESERVED


def _identifier(name: str) -> str:
    """ "" where nothing of the name can stand in an identifier."""
    if is_identifier(name):
        return name
    folded = unicodedata.normalize("NFKD", name[: _MAX_ID_CHARS * 4])
    plain = "".join(char for char in folded if not unicodedata.combining(char))
    word = re.sub(r"[^A-Za-z0-9_]+", "_", plain).strip("_")[:_MAX_ID_CHARS].rstrip("_")
    if word[:1].isdigit():
        word = f"n{word}"
    return f"{word}_" if word.lower() in _RESERVED else word


def _is_shown(char: str) -> bool:
    """Controls, surrogates, private and unassigned code points go, and so do direction marks and zero widths,
    except the joiner that emoji are made with."""
    return char.isspace() or char == "\u200d" or unicodedata.category(char)[0] != "C"
