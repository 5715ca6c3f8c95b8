"""What does not belong into any artifact, as patterns. Every repetition is bounded, so that no text takes longer than
its length demands."""

import re
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Impurity:
    """``cost`` is in points of 100; what ``fails`` leaves nothing to hand out; what is not ``quoted`` is never
    repeated in a message."""

    pattern: re.Pattern[str]
    message: str
    cost: float
    fails: bool = False
    quoted: bool = True


def _any(message: str, cost: float, *patterns: str, fails: bool = False) -> Impurity:
    return Impurity(re.compile("|".join(patterns), re.IGNORECASE | re.MULTILINE), message, cost, fails)


def _secret(what: str, *patterns: str, flags: int = 0) -> Impurity:
    message = f"there is {what}: take it out, and never write a secret into an artifact"
    return Impurity(re.compile("|".join(patterns), flags), message, 100, fails=True, quoted=False)


# What a password literal may hold without being one: types, marks for "put yours here", references to settings.
_NOT_ONE = r"(?!(?:string|str|text|password|secret|hash|\*+|x{3,}|change|your|<|\{|\$|%)[^\"'\n]{0,60}[\"'])"
SECRETS = (
    _secret("an AWS access key", r"\b(?:AKIA|ASIA|AROA)[0-9A-Z]{16}\b"),
    _secret("an API key (sk-…)", r"\bsk-(?:proj-|ant-|or-|live-|test-)?[A-Za-z0-9_-]{20,200}"),
    _secret("a Stripe key", r"\b[sr]k_(?:live|test)_[A-Za-z0-9]{16,100}"),
    _secret("a GitHub token", r"\bgh[pousr]_[A-Za-z0-9]{30,100}", r"\bgithub_pat_[A-Za-z0-9_]{40,120}"),
    _secret("a GitLab token", r"\bglpat-[A-Za-z0-9_-]{18,60}"),
    _secret("a Slack token", r"\bxox[abposr]-[A-Za-z0-9-]{10,120}"),
    _secret("a Google API key", r"\bAIza[0-9A-Za-z_-]{30,60}"),
    _secret("a Hugging Face token", r"\bhf_[A-Za-z0-9]{30,60}"),
    _secret("a Hone API key", r"\bhone_[A-Za-z0-9]{24,80}"),
    _secret("a private key", r"-----BEGIN (?:[A-Z]{1,12} ){0,3}PRIVATE KEY"),
    _secret("a JSON Web Token", r"\beyJ[\w-]{10,2000}\.eyJ[\w-]{10,4000}\.[\w-]{10,1000}"),
    _secret(
        "a password in a URL",
        r"\b[a-z][a-z0-9+.-]{1,20}://[^\s/:@\"'<>{}$]{1,64}:[^\s/:@\"'<>{}$*]{3,128}@[\w.-]",
    ),
    _secret(
        "a password or key as a literal",
        r"(?<![\w-])(?:password|passwd|pwd|secret|api_?key|access_?token|auth_?token)"
        rf"[\"']?[ \t]{{0,4}}(?::=|[=:])[ \t]{{0,4}}[\"']{_NOT_ONE}[^\"'\s]{{6,200}}[\"']",
        flags=re.IGNORECASE,
    ),
)
CONTROL_TOKENS = _any(
    "is a control token of a language model: take it out",
    100,
    r"<\|[a-z0-9_\u2581|-]{1,40}\|?>",
    r"<\uff5c[^\n\uff5c]{1,40}\uff5c>",
    r"\[/?INST\]",
    r"<</?SYS>>",
    r"</?s>",
    r"<(?:start|end)_of_turn>",
    r"</?think(?:ing)?>",
    r"<(?:bos|eos|pad|unk)>",
    r"</?tool_call>",
    r"<unused\d{1,4}>",
    fails=True,
)
REFUSALS = _any(
    "is a refusal or an apology, not the artifact: give the artifact alone",
    60,
    r"\bI(?:'m| am) (?:sorry|unable|not able)\b",
    r"\bI (?:cannot|can't|can not|won't) (?:help|assist|provide|create|generate|comply|fulfil|do)",
    r"\bas an? (?:AI|artificial intelligence|language model)\b",
    r"\bI apologi[sz]e\b",
    r"\bagainst my (?:guidelines|programming|policy)",
)
CHATTER = _any(
    "speaks to the reader: give the artifact alone",
    20,
    r"^\W{0,8}(?:sure|certainly|of course|absolutely|great question|okay)[,!. ]{1,3}(?=[A-Za-z])",
    r"^\W{0,8}here(?:'s| is| are)(?: \w{1,20}){0,2} (?:the|your|an?|my)\b",
    r"\bI hope (?:this|that|it) (?:helps|is)",
    r"\blet me know if\b",
    r"\bfeel free to\b",
    r"\bhappy to help\b",
    r"^\W{0,8}(?:below is|the following is) (?:the|your|an?)\b",
    r"^\W{0,8}this (?:diagram|schema|code|document|specification|api) (?:shows|represents|defines|captures)\b",
    r"^\W{0,8}(?:explanation|key points|please note|note that)\b",
    r"\bbased on (?:the|your) (?:requirements|description|text)\b",
    r"\bI(?:'ve| have) (?:created|generated|added|included|updated)\b",
)
PLACEHOLDERS = _any(
    "is a placeholder: write out what belongs there",
    20,
    r"(?-i:\b(?:TODO|FIXME|TBD|XXX)\b)",
    r"<(?:your|insert|add|replace|enter|fill)[ _-][^<>\n]{1,60}>",
    r"\[(?:your|insert|add) [^\]\n]{1,60}\]",
    r"\b(?:your|add) [a-z ]{1,30} here\b",
    r"\brest of (?:the|your) (?:code|schema|diagram|file|document|tables?|entities)\b",
    r"\bsame as (?:above|before)\b",
    r"\bomitted for brevity\b",
    r"\b(?:remaining|other|more) \w{1,20} (?:go|goes) here\b",
)
ELLIPSIS = _any(
    "leaves something out: write it out",
    20,
    r"^[ \t]*+(?:(?://|#|--|%%|\*)[ \t]*+)?(?:\.{3,}|\u2026)(?:[ \t]|$)",
    r"\.{3}[ \t]*+$",
)
FENCE = _any(
    "is Markdown around the artifact: give it without a fence", 20, r"^[ \t]*+(?:`{3,}|~{3,})[^\n]{0,40}$"
)
CONTROL_CHARACTER = re.compile(
    "[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\u200b\u2028-\u202e\u2060-\u2064\u2066-\u2069\ufeff\ufffe\uffff]"
)
