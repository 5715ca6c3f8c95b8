"""Whether a row is a conversation that ends in an answer."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise

from hone_trainer.datasets.problems import Problem, shown
from hone_trainer.datasets.row_text import RowText
from hone_trainer.datasets.rows import ROLES, Row

_MEANT = {
    "human": "user",
    "gpt": "assistant",
    "bot": "assistant",
    "model": "assistant",
    "ai": "assistant",
    "chatbot": "assistant",
    "instruction": "user",
    "prompt": "user",
}
_USUAL = (("user", "assistant"), ("system", "user", "assistant"))


def schema_problems(row: Row, _text: RowText) -> Iterator[Problem]:
    roles = tuple(turn.role for turn in row.turns)
    if roles not in _USUAL:
        problem = _order(roles)
        if problem:
            yield Problem("schema", *problem)
    for turn in row.turns:
        if turn.role == "user" and not turn.content.strip():
            yield Problem("schema", "a user's turn is empty", "write the question, or take the row out")
            return


def _order(roles: tuple[str, ...]) -> tuple[str, str] | None:
    """The first thing that is wrong with the roles, and what to do."""
    if not roles:
        return "it has no turns", "take the row out"
    unknown = next((role for role in roles if role not in ROLES), None)
    if unknown is not None:
        meant = _MEANT.get(unknown.lower().strip())
        use = f'write "{meant}"' if meant else "use system, user and assistant"
        return f'the role "{shown(unknown, 40)}" is unknown', use
    if "assistant" not in roles:
        return "there is no assistant's turn", "add the answer: without one there is nothing to learn"
    if "system" in roles[1:]:
        return "a system turn is not the first", "put it first, or make it a part of the question"
    return _talk(roles[1:] if roles[0] == "system" else roles)


def _talk(roles: tuple[str, ...]) -> tuple[str, str] | None:
    if roles[0] != "user":
        return "it begins with the assistant's turn", "begin with the user's"
    for place, (role, following) in enumerate(pairwise(roles), 1):
        if role == following:
            return (
                f"turns {place} and {place + 1} are both of the {role}",
                "join them, or add what is missing between",
            )
    if roles[-1] != "assistant":
        return "it ends with the user's turn", "add the answer, or take the last turn out"
    return None
