"""Keys, tokens and passwords. No message ever repeats one."""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import chain

from hone_trainer.datasets.patterns import Patterns, pattern
from hone_trainer.datasets.problems import Problem
from hone_trainer.datasets.row_text import RowText
from hone_trainer.datasets.rows import Row

# The shapes are the vendors' own; sources: gitleaks' rules and GitHub's list of secret scanning patterns.
_KEYS = Patterns(
    pattern("an AWS access key", "akia* asia* aroa*", r"\b(?:AKIA|ASIA|AROA)[0-9A-Z]{16}\b"),
    pattern("an AWS secret key", "secret",
            r"(?i:aws_?secret_?(?:access_?)?key)[\"']?\s{0,3}[:=]\s{0,3}[\"']?[A-Za-z0-9/+]{40}(?![A-Za-z0-9/+=])"),
    pattern("an API key", "sk-", r"\bsk-(?:proj-|ant-|or-|live-|test-|svcacct-)?[A-Za-z0-9_-]{20,200}"),
    pattern("a Stripe key", "k_live k_test", r"\b[sr]k_(?:live|test)_[A-Za-z0-9]{16,100}"),
    pattern("a GitHub token", "ghp_ gho_ ghu_ ghs_ ghr_", r"\bgh[pousr]_[A-Za-z0-9]{30,100}"),
    pattern("a GitHub token", "github_pat_", r"\bgithub_pat_[A-Za-z0-9_]{40,120}"),
    pattern("a GitLab token", "glpat-", r"\bglpat-[A-Za-z0-9_-]{18,60}"),
    pattern("a Slack token", "xox*", r"\bxox[abposr]-[A-Za-z0-9-]{10,120}"),
    pattern("a Google API key", "aiza*", r"\bAIza[0-9A-Za-z_-]{35}(?![0-9A-Za-z_-])"),
    pattern("a Google OAuth token", "ya29.", r"\bya29\.[0-9A-Za-z_-]{20,300}"),
    pattern("a SendGrid key", "sg.", r"\bSG\.[A-Za-z0-9_-]{16,32}\.[A-Za-z0-9_-]{16,64}"),
    pattern("an npm token", "npm_", r"\bnpm_[A-Za-z0-9]{36}\b"),
    pattern("a PyPI token", "pypi-", r"\bpypi-[A-Za-z0-9_-]{50,250}"),
    pattern("a Hugging Face token", "hf_", r"\bhf_[A-Za-z0-9]{30,60}"),
    pattern("a DigitalOcean token", "dop_v1_", r"\bdop_v1_[a-f0-9]{64}\b"),
    pattern("a Hone API key", "hone_", r"\bhone_[A-Za-z0-9]{24,80}"),
)  # fmt: skip
_LONG_WORD = 16  # characters: every key has a run of letters and digits at least as long
_OTHERS = Patterns(
    pattern("a private key", "private",
            r"-----BEGIN (?:[A-Z]{1,12} ){0,3}PRIVATE KEY(?: BLOCK)?-----[^-]{0,8000}+"
            r"(?:-----END [A-Z ]{1,40}-----)?"),
    pattern("a JSON Web Token", "eyj*", r"\beyJ[\w-]{10,2000}\.eyJ[\w-]{10,4000}\.[\w-]{10,1000}"),
    pattern("a password in a URL", "@",
            r"://[^\s/:@\"'<>{}$\[\]]{1,64}:(?!pass(?:word)?@|secret@|\*+@|x{3,}@|change)"
            r"[^\s/:@\"'<>{}$*\[\]]{3,128}@(?=[\w.-])"),
    pattern("a password or key as a literal", "password passwd pwd secret api apikey token",
            r"(?<![\w-])(?:password|passwd|pwd|secret|client_?secret|api_?key|access_?token|auth_?token)"
            r"[\"']?[ \t]{0,4}(?::=|[=:])[ \t]{0,4}[\"']"
            r"(?!(?:string|str|text|password|secret|hash|token|\*+|x{3,}|change|your|example|<|\{|\$|%|env)"
            r"[^\"'\n]{0,60}[\"'])"
            r"(?=[^\"'\s]{0,200}\d)[^\"'\s]{8,200}[\"']", re.IGNORECASE),
)  # fmt: skip
# Keys of manuals: they open nothing.
_OF_MANUALS = re.compile(r"example|x{6}|\*{3}|your[_-]|0{12}|123456789012", re.IGNORECASE)


def secret_problems(row: Row, text: RowText) -> Iterator[Problem]:
    """Each kind once."""
    possible = _OTHERS.possible(text)
    if text.longest_word() >= _LONG_WORD:
        possible += _KEYS.possible(text)
    told: set[str] = set()
    for turn in row.turns if possible else ():
        for each in possible:
            for match in each.regex.finditer(turn.content):
                if each.what not in told and not _OF_MANUALS.search(match[0]):
                    told.add(each.what)
                    line = turn.content.count("\n", 0, match.start()) + 1
                    yield Problem(
                        "secrets",
                        f"there is {each.what} in a turn of the {turn.role[:20]} (line {line})",
                        "revoke it, then take it out (--fix puts [REDACTED] there)",
                    )


def redacted(text: str) -> str:
    for each in chain(_KEYS, _OTHERS):
        text = each.regex.sub(lambda match: match[0] if _OF_MANUALS.search(match[0]) else _mark(match), text)
    return text


def _mark(match: re.Match[str]) -> str:
    """What stands around the value stays: a URL is still one, an assignment too."""
    if match[0].endswith("@"):
        return match[0].rsplit(":", 1)[0] + ":[REDACTED]@"
    opening = re.match(r"[\w\"']{1,40}[ \t]{0,4}(?::=|[=:])[ \t]{0,4}[\"']?", match[0])
    closing = match[0][-1] if opening and match[0][-1] in "\"'" else ""
    return (opening[0] if opening else "") + "[REDACTED]" + closing
