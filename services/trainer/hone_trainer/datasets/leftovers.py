"""What a model or a template left in an answer: refusals, words to the reader, gaps to be filled."""

from __future__ import annotations

import re
from collections.abc import Iterator

from hone_trainer.datasets.patterns import first_match, pattern
from hone_trainer.datasets.problems import Problem, shown
from hone_trainer.datasets.rows import Row

_ANY = re.IGNORECASE | re.MULTILINE
_REFUSALS = (
    pattern("a refusal", "as an ai|as a ai|artificial intelligence|language model",
            r"\bas an? (?:AI|artificial intelligence|(?:large )?language model)\b", _ANY),
    pattern("a refusal", "cannot|can't|can’t|can not|won't|unable|not able",
            r"\bI(?:['’]m| am)? (?:cannot|can['’]t|can not|won['’]t|unable to|not able to) (?:help|assist|comply|"
            r"provide|fulfil|fulfill|answer|create|generate|support|discuss|continue)\b", _ANY),
    pattern("a refusal", "sorry", r"\A\W{0,8}(?:I(?:['’]m| am) (?:very |so )?)?sorry,? (?:but|I)\b", _ANY),
    pattern("a refusal", "i apologi", r"\A\W{0,8}I apologi[sz]e\b", _ANY),
    pattern("a refusal", "against my", r"\bagainst my (?:guidelines|programming|polic)", _ANY),
    pattern("a refusal", "knowledge cut|training data|last update",
            r"\b(?:my knowledge cut-?off|my (?:last )?training data|my last (?:knowledge )?update)\b", _ANY),
)  # fmt: skip
_CHATTER = (
    pattern("words to the reader", "sure|certainly|of course|absolutely|great question",
            r"\A\W{0,8}(?:sure|certainly|of course|absolutely|great question|sure thing)(?:[!,.]|\b(?= here| I\b))",
            re.IGNORECASE),
    pattern("words to the reader", "here",
            r"\A\W{0,8}here(?:['’]s| is| are)(?: \w{1,20}){0,3} (?:the|your|an?|my|for)\b", re.IGNORECASE),
    pattern("words to the reader", "hope", r"\bI hope (?:this|that|it) helps\b", _ANY),
    pattern("words to the reader", "let me know", r"\blet me know if\b", _ANY),
    pattern("words to the reader", "feel free", r"\bfeel free to (?:ask|reach|let|modify|adjust|customi)", _ANY),
    pattern("words to the reader", "happy to", r"\bI(?:['’]d| would|['’]ll)? be happy to\b", _ANY),
)  # fmt: skip
_GAPS = (
    pattern("a gap to be filled", "todo|fixme|tbd",
            r"(?:(?:#|//|--|/\*|<!--|%%|;)[ \t]{0,9}+|^[ \t]{0,40}+|[\[(<:]|[:=] )(?:TODO|FIXME|TBD)\b"
            r"(?![ _-]?(?:list|item|app|LIST|ITEM|APP|I?D\b)|s\b| (?:\|\||\}))", re.MULTILINE),
    pattern("a gap to be filled", "[insert|[your|[add|[enter|[fill|[name|[company|[date",
            r"\[(?:INSERT|Insert|insert|YOUR|Your|your|ADD|Add|add|ENTER|Enter|enter|FILL|Fill|fill|NAME|COMPANY|DATE)"
            r"(?:[ _][^\]\n]{1,60}|)\](?!\()"),
    pattern("a gap to be filled", "<your|<insert|<add|<replace|<enter|<fill",
            r"<(?:your|insert|add|replace|enter|fill)[ _-][^<>\n]{1,60}>", _ANY),
    pattern("filler text", "lorem ipsum|dolor sit amet", r"\b(?:lorem ipsum|dolor sit amet)\b", _ANY),
    pattern("a gap to be filled", "rest of",
            r"\brest of (?:the|your) (?:code|schema|diagram|file|document)\b(?! is\b)",
            _ANY),
    pattern("a gap to be filled", "for brevity", r"\b(?:omitted|left out|shortened) for brevity\b", _ANY),
)  # fmt: skip
_SIGN_OF_TEMPLATE = "{{"
# After a name it is a hexagon of a flowchart, after $ an expression of a workflow.
_TEMPLATE = re.compile(
    r"(?<![\w$}{])\{\{-?[ \t]{0,9}[A-Za-z_][\w.]{0,60}(?:[ \t]{0,3}\|[^{}\n]{1,40})?[ \t]{0,9}-?\}\}(?!\})"
)
_WHAT_TO_DO = {
    "a refusal": "take the row out, or write the answer",
    "words to the reader": "leave the artifact alone in the answer",
    "a gap to be filled": "write what belongs there, or take the row out",
    "filler text": "write real text, or take the row out",
}


def leftover_problems(row: Row) -> Iterator[Problem]:
    """The first of each kind in the answers; templates that nobody filled in the questions too."""
    told: set[str] = set()
    for turn in row.turns:
        text = turn.content
        if _SIGN_OF_TEMPLATE in text and (match := _TEMPLATE.search(text)):
            yield Problem(
                "leftovers",
                f'"{shown(match[0], 40)}" is a place of a template',
                "fill it in, or take the row out",
            )
        if turn.role != "assistant":
            continue
        lower = text.lower()
        for kinds in (_REFUSALS, _CHATTER, _GAPS):
            for found, match in first_match(kinds, text, lower):
                if found.what not in told:
                    told.add(found.what)
                    message = f'"{shown(match[0])}" is {found.what}'
                    yield Problem("leftovers", message, _WHAT_TO_DO[found.what])
