"""What does not belong into any artifact, as patterns. Every repetition is bounded or possessive, so that no text
takes longer than its length demands; a pattern is looked for only where one of its signs stands, which is much
faster to see."""

import re
from collections.abc import Iterator
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Trace:
    """A pattern, and lower-case texts of which at least one stands wherever it matches."""

    signs: tuple[str, ...]
    pattern: re.Pattern[str]

    def matches(self, text: str, lower: str) -> Iterator[re.Match[str]]:
        """``lower`` is the text in lower case."""
        if any(sign in lower for sign in self.signs):
            yield from self.pattern.finditer(text)


@dataclass(frozen=True, slots=True)
class Impurity:
    """``cost`` is in points of 100; what ``fails`` leaves nothing to hand out; what is not ``quoted`` is never
    repeated in a message."""

    traces: tuple[Trace, ...]
    message: str
    cost: float
    fails: bool = False
    quoted: bool = True


def _any(message: str, cost: float, *traces: tuple[str, str], fails: bool = False) -> Impurity:
    """``traces`` are signs, parted by bars, and their pattern."""
    return Impurity(
        tuple(_trace(*each, re.IGNORECASE | re.MULTILINE) for each in traces), message, cost, fails
    )


def _secret(what: str, *traces: tuple[str, str], flags: int = 0) -> Impurity:
    message = f"there is {what}: take it out, and never write a secret into an artifact"
    return Impurity(tuple(_trace(*each, flags) for each in traces), message, 100, fails=True, quoted=False)


def _trace(signs: str, pattern: str, flags: int) -> Trace:
    return Trace(tuple(signs.split("|")), re.compile(pattern, flags))


# What a password literal may hold without being one: types, marks for "put yours here", references to settings.
_NOT_ONE = r"(?!(?:string|str|text|password|secret|hash|\*+|x{3,}|change|your|<|\{|\$|%)[^\"'\n]{0,60}[\"'])"
SECRETS = (
    _secret("an AWS access key", ("akia|asia|aroa", r"\b(?:AKIA|ASIA|AROA)[0-9A-Z]{16}\b")),
    _secret("an API key (sk-…)", ("sk-", r"\bsk-(?:proj-|ant-|or-|live-|test-)?[A-Za-z0-9_-]{20,200}")),
    _secret("a Stripe key", ("k_live|k_test", r"\b[sr]k_(?:live|test)_[A-Za-z0-9]{16,100}")),
    _secret("a GitHub token", ("gh", r"\bgh[pousr]_[A-Za-z0-9]{30,100}")),
    _secret("a GitHub token", ("github_pat_", r"\bgithub_pat_[A-Za-z0-9_]{40,120}")),
    _secret("a GitLab token", ("glpat-", r"\bglpat-[A-Za-z0-9_-]{18,60}")),
    _secret("a Slack token", ("xox", r"\bxox[abposr]-[A-Za-z0-9-]{10,120}")),
    _secret("a Google API key", ("aiza", r"\bAIza[0-9A-Za-z_-]{30,60}")),
    _secret("a Hugging Face token", ("hf_", r"\bhf_[A-Za-z0-9]{30,60}")),
    _secret("a Hone API key", ("hone_", r"\bhone_[A-Za-z0-9]{24,80}")),
    _secret("a private key", ("private key", r"-----BEGIN (?:[A-Z]{1,12} ){0,3}PRIVATE KEY")),
    _secret("a JSON Web Token", ("eyj", r"\beyJ[\w-]{10,2000}\.eyJ[\w-]{10,4000}\.[\w-]{10,1000}")),
    _secret(
        "a password in a URL",
        ("://", r"\b[a-z][a-z0-9+.-]{1,20}://[^\s/:@\"'<>{}$]{1,64}:[^\s/:@\"'<>{}$*]{3,128}@[\w.-]"),
    ),
    _secret(
        "a password or key as a literal",
        (
            "pass|pwd|secret|key|token",
            r"(?<![\w-])(?:password|passwd|pwd|secret|api_?key|access_?token|auth_?token)"
            rf"[\"']?[ \t]{{0,4}}(?::=|[=:])[ \t]{{0,4}}[\"']{_NOT_ONE}[^\"'\s]{{6,200}}[\"']",
        ),
        flags=re.IGNORECASE,
    ),
)
CONTROL_TOKENS = _any(
    "is a control token of a language model: take it out",
    100,
    ("<|", r"<\|[a-z0-9_\u2581|-]{1,40}\|?>"),
    ("<\uff5c", r"<\uff5c[^\n\uff5c]{1,40}\uff5c>"),
    ("inst]", r"\[/?INST\]"),
    ("sys>>", r"<</?SYS>>"),
    ("s>", r"(?-i:(?<!\?P)</?s>)"),
    ("_of_turn>", r"<(?:start|end)_of_turn>"),
    ("think", r"</?think(?:ing)?>"),
    ("os>|pad>|unk>", r"<(?:bos|eos|pad|unk)>"),
    ("tool_call>", r"</?tool_call>"),
    ("<unused", r"<unused\d{1,4}>"),
    fails=True,
)
REFUSALS = _any(
    "is a refusal or an apology, not the artifact: give the artifact alone",
    60,
    ("sorry|able", r"\bI(?:'m| am) (?:sorry|unable|not able)\b"),
    (
        "cannot|can't|can not|won't",
        r"\bI (?:cannot|can't|can not|won't) (?:help|assist|provide|create|generate|comply|fulfil|do)",
    ),
    ("as an ai|as a ai|intelligence|model", r"\bas an? (?:AI|artificial intelligence|language model)\b"),
    ("i apologi", r"\bI apologi[sz]e\b"),
    ("against my", r"\bagainst my (?:guidelines|programming|policy)"),
)
CHATTER = _any(
    "speaks to the reader: give the artifact alone",
    20,
    (
        "sure|certainly|of course|absolutely|great question|okay",
        r"^\W{0,8}(?:sure|certainly|of course|absolutely|great question|okay)(?:[,!] | (?:here|I|let)\b)",
    ),
    ("here", r"^\W{0,8}here(?:'s| is| are)(?: \w{1,20}){0,2} (?:the|your|an?|my)\b"),
    ("i hope", r"\bI hope (?:this|that|it) (?:helps|is)"),
    ("let me know", r"\blet me know if\b"),
    ("feel free", r"\bfeel free to\b"),
    ("happy to", r"\bhappy to help\b"),
    ("below is|following is", r"^\W{0,8}(?:below is|the following is) (?:the|your|an?)\b"),
    (
        "shows|represents|defines|captures",
        r"^\W{0,8}this (?:diagram|schema|code|document|specification|api) (?:shows|represents|defines|captures)\b",
    ),
    ("explanation|key points", r"^(?:#{1,6} |\*\*)(?:explanation|key points)\b"),
    ("based on", r"\bbased on (?:the|your) (?:requirements|description|text)\b"),
    ("i've|i have", r"\bI(?:'ve| have) (?:created|generated|added|included|updated)\b"),
)
ASIDES = _any(
    "speaks to the reader: give the artifact alone",
    20,
    ("note that", r"^\W{0,8}(?:please )?note that\b"),
)
PLACEHOLDERS = _any(
    "is a placeholder: write out what belongs there",
    20,
    ("todo|fixme|tbd|xxx", r"(?-i:\b(?:TODO|FIXME|TBD|XXX)\b)"),
    (
        "<your|<insert|<add|<replace|<enter|<fill",
        r"<(?:your|insert|add|replace|enter|fill)[ _-][^<>\n]{1,60}>",
    ),
    ("[your|[insert|[add", r"\[(?:your|insert|add) [^\]\n]{1,60}\]"),
    (" here", r"\b(?:your|add) [a-z ]{1,30} here\b"),
    (
        "rest of",
        r"\brest of (?:the|your) (?:code|schema|diagram|file|document|tables?|entities)\b",
    ),
    ("same as", r"\bsame as (?:above|before)\b"),
    ("for brevity", r"\bomitted for brevity\b"),
    (" here", r"\b(?:remaining|other|more) \w{1,20} (?:go|goes) here\b"),
)
ELLIPSIS = _any(
    "leaves something out: write it out",
    20,
    ("...|\u2026", r"^[ \t]*+(?:(?://|#|--|%%|\*)[ \t]*+)?(?:\.{3,}|\u2026)(?:[ \t]|$)"),
    ("...", r"[\s,(\[{]\.{3}[ \t]*+$"),
)
FENCE = _any(
    "is Markdown around the artifact: give it without a fence",
    20,
    ("```|~~~", r"^[ \t]*+(?:`{3,}|~{3,})[^\n]{0,40}$"),
)
CONTROL_CHARACTER = re.compile(
    "[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\u200b\u2028-\u202e\u2060-\u2064\u2066-\u2069\ufeff\ufffe\uffff]"
)
