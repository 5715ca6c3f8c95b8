"""Whether a bracket is still open where a text ends."""

from __future__ import annotations

import re

_PAIRS = {")": "(", "]": "[", "}": "{"}
_BRACKETS = re.compile(r"[(){}\[\]]")
# Strings, comments, and signs of diagrams in which brackets are no brackets: crow's feet, arrows, shapes of nodes.
_NOT_BRACKETS = re.compile(
    r"\"(?:[^\"\\\n]|\\.){0,2000}+\"|'(?:[^'\\\n]|\\.){0,200}+'"
    r"|(?:[|}][|o]|[|o}]{1,2})(?:--|\.\.)(?:[|o][|{]|[|o{]{1,2})|-{1,2}[)x](?=[^\s])|[:;]-?[()]"
    r"|>[^\]\n]{0,80}\]|\(\[|\]\)|\[\[|\]\]|\[\(|\)\]|\[/|/\]|\[\\|\\\]"
)
_WIDE = str.maketrans("（）［］｛｝", "()[]{}")
_LONGEST = 200_000  # characters that are looked at, from the end
_LAST_SENTENCE = 300


def _balanced(text: str) -> bool:
    count = text.count
    return count("{") == count("}") and count("(") == count(")") and count("[") == count("]")


def _without_crows_feet(text: str) -> str:
    """By the pairs of signs they are made of: a fast guess, which the patterns check where it does not come out."""
    return text.replace("o{", "").replace("|{", "").replace("}o", "").replace("}|", "")


def unclosed(text: str, code: bool) -> str:
    """The first bracket that is open at the end; "" when there is none.

    In code any counts. In prose people forget brackets, and only one in the last sentence shows a cut.
    """
    if _balanced(text) or ("--" in text and _balanced(_without_crows_feet(text))):
        return ""
    told = _NOT_BRACKETS.sub("", text[-_LONGEST:].translate(_WIDE))
    stack: list[tuple[str, int]] = []
    for match in _BRACKETS.finditer(told):
        bracket = match[0]
        if bracket in "([{":
            stack.append((bracket, match.start()))
        elif any(opener == _PAIRS[bracket] for opener, _ in stack[-3:]):
            # An interval such as [0, 1) closes with another sign: what stood open within goes with it.
            while stack.pop()[0] != _PAIRS[bracket]:
                pass
        elif stack and not code:
            stack.pop()
    if not code:
        stack = [(opener, place) for opener, place in stack if place > len(told) - _LAST_SENTENCE]
        stack = [(opener, place) for opener, place in stack if not re.search(r"[.!?]\s+[A-Z]", told[place:])]
    return stack[0][0] if stack else ""
