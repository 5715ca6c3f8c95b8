"""Whether the artifact says only what requirements or context speak of.

A name is grounded if one of its telling words stands in either text, in any form. Names that every model of their
kind has (id, created_at, status) are nobody's invention, nor are those that were derived by convention. What
tutorials and templates leave behind (WeatherForecast, John Doe, foo) is looked for by name, and is the gravest.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass

from hone_contracts.artifacts import ValidatorResult
from hone_contracts.erd_facts import STOP_WORDS
from hone_generator.artifacts.kind import Name, Outline, Role
from hone_generator.text.naming import words_of
from hone_generator.text.stems import stem
from hone_generator.validators.base import result
from hone_generator.validators.requirements import read_requirements, stems_of

NAME = "grounding"
PASS_MARK = 50

# An invented thing brings its members and relations with it; an invented property is one line to take out.
_WEIGHTS: dict[Role, float] = {
    "type": 3.0,
    "participant": 3.0,
    "state": 2.0,
    "action": 1.0,
    "member": 1.0,
    "label": 0.25,
    "prose": 0.0,  # sentences need words of their own; their invented things show in the names
}
_WHAT: dict[Role, str] = {
    "type": "",
    "participant": "participant ",
    "state": "state ",
    "action": "action ",
    "member": "",
    "label": "label ",
    "prose": "",
}
_LEFTOVER_COST = 25.0  # points of 100 for each

# Words that need no ground: keys, bookkeeping, and what formats and code are made with.
_CONVENTIONAL = frozenset(
    stem(word)
    for word in """
    id ids uuid guid key code name title description status state type kind created updated deleted modified
    changed at on by date time timestamp version active enabled is has number no count total index order
    position note notes value values item items list data detail details info entry record line ref reference
    parent child owner user begin start end first last next previous current default main new old get set put
    post patch delete remove add create read update replace find search list show open close save load send receive
    request response result error message reply answer return check validate verify confirm cancel submit
    process handle retry fail failed success succeeded done ok yes no true false if else invalid valid not found
    notify log model base schema table column field row entity enum object array string service repository
    controller api app system server client database page limit offset cursor query filter sort bearer token
    auth unauthorized forbidden bad conflict problem health primary foreign unique constraint exception init
    main self str repr
    """.split()  # noqa: SIM905 - a list of quoted words is not readable
)


@dataclass(frozen=True, slots=True)
class _Leftover:
    """Something that templates and tutorials are full of. ``word`` in the requirements makes it legitimate."""

    pattern: re.Pattern[str]
    word: str


def _leftover(pattern: str, word: str) -> _Leftover:
    return _Leftover(re.compile(pattern, re.IGNORECASE), word)


_LEFTOVERS = (
    _leftover(r"weather[ _-]?forecasts?", "weather"),
    _leftover(r"\bpet[ _-]?stores?\b", "pet"),
    _leftover(r"\bto[ _-]?do[ _-]?(?:item|list|app)s?\b", "todo"),
    _leftover(r"\b(?:lorem|ipsum|dolor sit)\b", "lorem"),
    _leftover(r"\b(?:john|jane)[ ._-]?(?:doe|smith)\b", "doe"),
    _leftover(r"\b(?:foo|bar|baz|qux|foobar)\b", "foo"),
    _leftover(r"\b(?:my|your|some|sample|example|dummy|test)[ _]?(?:class|entity|table|schema|model|api|app)\b", ""),
    _leftover(r"\bexample\.(?:com|org|net)\b", "example"),
    _leftover(r"\b(?:acme|contoso|northwind|adventureworks)\b", "acme"),
    _leftover(r"\b(?:entity|table|class|field|attribute|column|property|actor|participant)[ _]?(?:[a-c]|\d)\b", ""),
    _leftover(r"\bhello[ ,_-]{0,2}world\b", "hello"),
    _leftover(r"\b123 main st", "main"),
)  # fmt: skip
_LONGEST_TEXT = 2_000  # of one name or text that is searched for leftovers


def check_grounding(outline: Outline, requirements: str, context: str | None) -> ValidatorResult:
    """The weighted share of names that requirements or context speak of, less what leftovers cost. Does not pass
    with a leftover, or with half of the names invented."""
    known = read_requirements(requirements).stems | (stems_of(context) if context else frozenset())
    names = [name for name in _distinct(outline) if _WEIGHTS[name.role] > 0]
    invented = [name for name in names if not _is_grounded(name, known)]
    total = sum(_WEIGHTS[name.role] for name in names)
    lost = sum(_WEIGHTS[name.role] for name in invented)
    share = 100 * (1 - lost / total) if total else 100.0
    leftovers = list(_leftovers(outline, requirements, context or ""))
    messages = [
        *leftovers,
        *(_message(name) for name in sorted(invented, key=lambda each: -_WEIGHTS[each.role])),
    ]
    score = share - _LEFTOVER_COST * len(leftovers)
    return result(NAME, score, messages, passed=not leftovers and score >= PASS_MARK)


def _distinct(outline: Outline) -> list[Name]:
    once: dict[tuple[str, Role], Name] = {}
    for name in outline.names:
        if not name.derived:
            once.setdefault((name.text, name.role), name)
    return list(once.values())


def _is_grounded(name: Name, known: frozenset[str]) -> bool:
    words = [word for word in words_of(name.text) if word not in STOP_WORDS and any(map(str.isalpha, word))]
    stems = [stem(word) for word in words]
    telling = [each for each in stems if each not in _CONVENTIONAL]
    if not telling:  # nobody has to ask for a status, but for a table of users
        return name.role != "type" or not stems or not known.isdisjoint(stems)
    if name.role == "label" and len(telling) == 1:
        return True  # the verb on an edge is how it is drawn, not what it says
    return not known.isdisjoint(telling) or stem("".join(words)) in known or _abbreviates(words, known)


def _abbreviates(words: list[str], known: frozenset[str]) -> bool:
    """qty, dob and addr are short for words that are there."""
    return all(
        len(word) <= 4 and any(each.startswith(word) for each in known if len(each) > len(word))
        for word in words
    )


def _message(name: Name) -> str:
    where = "" if name.line is None else f"line {name.line}: "
    shown = name.text if len(name.text) <= 80 else name.text[:79] + "…"
    return (
        f'{where}{_WHAT[name.role]}"{shown}" is nowhere in the requirements: take it out, or use their name'
    )


def _leftovers(outline: Outline, requirements: str, context: str) -> Iterator[str]:
    everything = "\n".join(name.text[:_LONGEST_TEXT] for name in outline.names)
    suspected = [each for each in _LEFTOVERS if each.pattern.search(everything)]
    if not suspected:
        return
    grounds = f"{requirements}\n{context}".casefold()
    said: set[str] = set()
    for name in outline.names:
        text = name.text[:_LONGEST_TEXT]
        for leftover in suspected:
            found = leftover.pattern.search(text)
            if found is None or found[0].casefold() in said:
                continue
            said.add(found[0].casefold())
            if found[0].casefold() in grounds or (leftover.word and leftover.word in grounds):
                continue
            where = "" if name.line is None else f"line {name.line}: "
            yield f'{where}"{found[0]}" is left over from a template: replace it with what the requirements speak of'
