"""What a model or a template left in an answer: refusals, words to the reader, gaps to be filled."""

from __future__ import annotations

import re
from collections.abc import Iterator

from hone_trainer.datasets.patterns import Patterns, pattern
from hone_trainer.datasets.problems import Problem, shown
from hone_trainer.datasets.row_text import RowText
from hone_trainer.datasets.rows import Row

_ANY = re.IGNORECASE | re.MULTILINE
_REFUSALS = Patterns(
    pattern("a refusal", "ai artificial language",
            r"\bas an? (?:AI|artificial intelligence|(?:large )?language model)\b", _ANY),
    pattern("a refusal",
            "cannot can't can’t won't won’t unable",
            r"\bI(?:['’]m| am)? (?:cannot|can['’]t|won['’]t|unable to) (?:help(?! but\b)|assist|"
            r"comply|provide|fulfil|fulfill|answer|create|generate|support|discuss|continue)\b", _ANY),
    pattern("a refusal", "sorry", r"\A\W{0,8}(?:I(?:['’]m| am) (?:very |so )?)?sorry,? (?:but|I)\b", _ANY),
    pattern("a refusal", "apologise apologize", r"\A\W{0,8}I apologi[sz]e\b", _ANY),
    pattern("a refusal", "against", r"\bagainst my (?:guidelines|programming|polic)", _ANY),
    pattern("a refusal", "knowledge training update",
            r"\b(?:my knowledge cut-?off|my (?:last )?training data|my last (?:knowledge )?update)\b", _ANY),
)  # fmt: skip
_CHATTER = Patterns(
    pattern("words to the reader", "sure certainly course absolutely great",
            r"\A\W{0,8}(?:sure|certainly|of course|absolutely|great question|sure thing)(?:[!,.]|\b(?= here| I\b))",
            re.IGNORECASE),
    pattern("words to the reader", "here",
            r"\A\W{0,8}here(?:['’]s| is| are)(?: \w{1,20}){0,3} (?:the|your|an?|my|for)\b[^:\n]{0,150}+:",
            re.IGNORECASE),
    pattern("words to the reader", "hope", r"\bI hope (?:this|that|it) helps\b", _ANY),
    pattern("words to the reader", "let", r"\blet me know if\b", _ANY),
    pattern("words to the reader", "feel", r"\bfeel free to (?:ask|reach|let|modify|adjust|customi)", _ANY),
    pattern("words to the reader", "happy", r"\bI(?:['’]d| would|['’]ll)? be happy to\b", _ANY),
)  # fmt: skip
_GAPS = Patterns(
    pattern("a gap to be filled", "todo fixme tbd",
            r"(?:(?:#|//|--|/\*|<!--|%%|;)[ \t]{0,9}+|^[ \t]{0,40}+|[\[(<:]|[:=] )(?:TODO|FIXME|TBD)\b"
            r"(?![ _-]?(?:list|item|app|LIST|ITEM|APP|I?D\b)|s\b| (?:\|\||\}))", re.MULTILINE),
    pattern("a gap to be filled", "insert your add enter fill",
            r"\[(?:INSERT|Insert|insert|YOUR|Your|your|ADD|Add|add|ENTER|Enter|enter|FILL|Fill|fill)"
            r"(?:[ _][^\]\n]{1,60}|)\](?!\()"),
    pattern("a gap to be filled", "your insert add replace enter fill",
            r"<(?:your|insert|add|replace|enter|fill)[ _-][^<>\n]{1,60}>", _ANY),
    pattern("filler text", "lorem dolor", r"\b(?:lorem ipsum|dolor sit amet)\b", _ANY),
    pattern("a gap to be filled", "rest",
            r"\brest of (?:the|your) (?:code|schema|diagram|file|document)\b(?! is\b)",
            _ANY),
    pattern("a gap to be filled", "brevity", r"\b(?:omitted|left out|shortened) for brevity\b", _ANY),
)  # fmt: skip
_SIGN_OF_TEMPLATE = "{{"
# After a name it is a hexagon of a flowchart, after $ an expression of a workflow, in an f-string a brace.
_TEMPLATE = re.compile(
    r"(?<![\w$}{])(?<!\bf['\"])\{\{-?[ \t]{0,9}[A-Za-z_][\w.]{0,60}(?:[ \t]{0,3}\|[^{}\n]{1,40})?[ \t]{0,9}-?\}\}"
    r"(?!\})"
)
_WHAT_TO_DO = {
    "a refusal": "take the row out, or write the answer",
    "words to the reader": "leave the artifact alone in the answer",
    "a gap to be filled": "write what belongs there, or take the row out",
    "filler text": "write real text, or take the row out",
}


def leftover_problems(row: Row, text: RowText) -> Iterator[Problem]:
    """The first of each kind in the answers; templates that nobody filled in the questions too."""
    possible = [*_REFUSALS.possible(text), *_CHATTER.possible(text), *_GAPS.possible(text)]
    if not possible and _SIGN_OF_TEMPLATE not in text.lower:
        return
    told: set[str] = set()
    for turn in row.turns:
        if _SIGN_OF_TEMPLATE in turn.content and (match := _TEMPLATE.search(turn.content)):
            yield Problem(
                "leftovers",
                f'"{shown(match[0], 40)}" is a place of a template',
                "fill it in, or take the row out",
            )
        for each in possible if turn.role == "assistant" else ():
            if each.what not in told and (match := each.regex.search(turn.content)):
                told.add(each.what)
                yield Problem("leftovers", f'"{shown(match[0])}" is {each.what}', _WHAT_TO_DO[each.what])
