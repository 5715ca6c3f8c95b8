"""Whether there is nothing but the artifact: no words to the reader, no refusal, no placeholder, no secret, no
control token.

Secrets and control tokens fail outright: the first must not be stored, shown or learned from, the second would
speak to the next model. A message about a secret never repeats it.
"""

from collections.abc import Iterator

from hone_contracts.artifacts import ArtifactType, ValidatorResult
from hone_generator.validators.base import result
from hone_generator.validators.impurities import (
    ASIDES,
    CHATTER,
    CONTROL_CHARACTER,
    CONTROL_TOKENS,
    ELLIPSIS,
    FENCE,
    PLACEHOLDERS,
    REFUSALS,
    SECRETS,
    Impurity,
)

NAME = "purity"
_MOST_FINDINGS = 60
_CONTROL_COST = 20.0

# Formats with sentences for people, which may trail off or note something; and `...` is a body in Python's protocols,
# of which its structure check knows where they are.
_WITH_SENTENCES = frozenset({ArtifactType.USER_STORIES, ArtifactType.PYTHON_CODE})


def check_purity(content: str, artifact_type: ArtifactType) -> ValidatorResult:
    """100 less what each impurity costs, with the line (from 1) where it stands. Does not pass with a secret, a
    control token, or when nothing is left of the score."""
    lost, failed = 0.0, False
    messages: list[str] = []
    for line, impurity, found in _impurities(content, artifact_type):
        lost += impurity.cost
        failed |= impurity.fails
        quoted = f'"{_shown(found)}" ' if impurity.quoted else ""
        messages.append(f"line {line}: {quoted}{impurity.message}")
        if len(messages) >= _MOST_FINDINGS:
            break
    for line, character in _control_characters(content):
        lost += _CONTROL_COST
        messages.append(f"line {line}: there is a control character U+{ord(character):04X}: take it out")
    score = 0.0 if failed else max(0.0, 100 - lost)
    return result(NAME, score, messages, passed=score > 0)


def _impurities(content: str, artifact_type: ArtifactType) -> Iterator[tuple[int, Impurity, str]]:
    """The gravest first, since only so many are told."""
    kinds = (*SECRETS, CONTROL_TOKENS, REFUSALS, CHATTER, PLACEHOLDERS, FENCE)
    lower = content.lower()
    for impurity in kinds if artifact_type in _WITH_SENTENCES else (*kinds, ASIDES, ELLIPSIS):
        for trace in impurity.traces:
            line, counted = 1, 0
            for match in trace.matches(content, lower):
                line += content.count("\n", counted, match.start())
                counted = match.start()
                yield line, impurity, match[0]


def _control_characters(content: str) -> Iterator[tuple[int, str]]:
    """Each once, where it stands first."""
    seen: set[str] = set()
    for match in CONTROL_CHARACTER.finditer(content):
        if match[0] not in seen:
            seen.add(match[0])
            yield content.count("\n", 0, match.start()) + 1, match[0]


def _shown(found: str) -> str:
    line = " ".join(found.split())
    return line if len(line) <= 60 else line[:59] + "…"
