"""Mermaid's ER notation from a diagram: total, deterministic, valid for any names.

What the lexer of Mermaid 11 does decides the rules here: `.*direction\\s+(TB|BT|RL|LR)` swallows a line even
inside quotes, keywords match without regard to case, `%` and `\\` end a quoted name, `~` inside a block starts
a generic type, `#…;` is an entity code. Quoted names need no alias, so readers see the name itself.
"""

import re
import unicodedata
from collections.abc import Iterable

from hone_contracts.erd_facts import Cardinality
from hone_generator.artifacts.mermaid_erd.ir import KEY_ORDER, Attribute, Diagram, Entity, Relationship
from hone_generator.text import naming

MAX_LABEL_CHARS = 120  # longer ones make a diagram that nobody can look at

CROWS_FEET: dict[Cardinality, str] = {"1:1": "||--||", "1:N": "||--o{", "N:1": "}o--||", "N:M": "}o--o{"}

_BARE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
# Words that begin a statement or a cardinality, matched by Mermaid in any case; the rest is prudence.
_RESERVED = frozenset(
    """
    direction style class classdef subgraph end one many only zero optionally to u o erdiagram acctitle accdescr
    title default pk fk uk __proto__ constructor prototype tostring valueof hasownproperty
    """.split()  # noqa: SIM905 - a list of quoted words is not readable
)
_LOOKALIKES = str.maketrans(
    {
        '"': "'",
        "`": "'",
        "%": "\uff05",
        "\\": "\uff3c",
        "~": "\u223c",
        "#": "\uff03",
        "<": "\u2039",
        ">": "\u203a",
    }
)
# A word ends for Mermaid's lexer where ASCII letters do: it reads a key at the head of "UKأ".
_KEY_WORD = re.compile(r"[PpFfUu][Kk](?![A-Za-z0-9_])")
_DIRECTION = re.compile(r"(direction)\s+(?=TB|BT|RL|LR)", re.IGNORECASE)


def render(diagram: Diagram) -> str:
    """The diagram as Mermaid text. Two entities of different names never share an identifier, nor do two
    attributes of one entity; an end that names no entity is drawn as Mermaid does, as an empty box."""
    ends = (name for relation in diagram.relationships for name in (relation.from_, relation.to))
    names = identifiers([*(entity.name for entity in diagram.entities), *ends])
    lines = ["erDiagram"]
    for entity in diagram.entities:
        lines.extend(_entity_lines(entity, names[entity.name]))
    lines.extend(_relationship_line(relation, names) for relation in diagram.relationships)
    return "\n".join(lines) + "\n"


def identifiers(names: Iterable[str]) -> dict[str, str]:
    """How each entity name is written: bare where Mermaid takes it so, else quoted; distinct names distinct."""
    written: dict[str, str] = {}
    taken: set[str] = set()
    for name in dict.fromkeys(names):
        text = safe_text(name) or "unnamed"
        shown = _distinct(text, taken, " ({})")
        bare = _BARE.fullmatch(shown) and shown.lower() not in _RESERVED
        written[name] = shown if bare else f'"{shown}"'
    return written


def safe_text(text: str) -> str:
    """One line of text that cannot leave its quotes: look-alikes for what Mermaid reads, at most
    `MAX_LABEL_CHARS` characters."""
    visible = "".join(" " if char.isspace() else char for char in text if _is_shown(char))
    line = " ".join(visible.translate(_LOOKALIKES).split())
    line = _DIRECTION.sub(r"\1_", line)
    return line if len(line) <= MAX_LABEL_CHARS else line[: MAX_LABEL_CHARS - 1].rstrip() + "…"


def _is_shown(char: str) -> bool:
    """Controls, surrogates, private and unassigned code points go, and so do direction marks and zero
    widths, except the joiner that emoji are made with."""
    return char.isspace() or char == "\u200d" or unicodedata.category(char)[0] != "C"


def _distinct(text: str, taken: set[str], pattern: str) -> str:
    """`text`, or `text` with the first number that makes it new. Case does not tell names apart."""
    candidate, folded = text, text.casefold()
    if folded in taken:
        number = naming.free_number(lambda number: folded + pattern.format(number) in taken)
        candidate = text + pattern.format(number)
    taken.add(candidate.casefold())
    return candidate


def _entity_lines(entity: Entity, name: str) -> list[str]:
    if not entity.attributes:
        return [f"    {name}"]
    taken: set[str] = set()
    inner = [f"        {_attribute_line(attribute, taken)}" for attribute in entity.attributes]
    return [f"    {name} {{", *inner, "    }"]


def _attribute_line(attribute: Attribute, taken: set[str]) -> str:
    name = _distinct(word(attribute.name, "attribute"), taken, "_{}")
    keys = ", ".join(key for key in KEY_ORDER if key in attribute.keys)
    shown = safe_text(attribute.name)
    comment = f'"{shown}"' if shown and shown != name else ""
    return " ".join(part for part in (word(attribute.type, "string"), name, keys, comment) if part)


def word(text: str, fallback: str) -> str:
    """`text` as an attribute's name or type: one word of what Mermaid takes there. Letters of every script up
    to U+FFFF stay; anything else becomes an underscore."""
    kept = "".join(char if _is_word_char(char) else "_" for char in text[:MAX_LABEL_CHARS])
    kept = re.sub(r"_{2,}", "_", kept).strip("_") if kept != text else kept
    if not kept or not any(char.isalnum() for char in kept):
        return fallback
    return f"_{kept}" if not _may_start(kept[0]) or _KEY_WORD.match(kept) else kept


def _is_word_char(char: str) -> bool:
    if char.isascii():
        return char.isalnum() or char == "_"
    return "\u00c0" <= char <= "\uffff" and unicodedata.category(char)[0] in "LM"


def _may_start(char: str) -> bool:
    return not char.isdigit()


def _relationship_line(relation: Relationship, names: dict[str, str]) -> str:
    ends = f"{names[relation.from_]} {CROWS_FEET[relation.cardinality]} {names[relation.to]}"
    return f'    {ends} : "{safe_text(relation.label)}"'
